package cluster

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*Spec)
		field  string // of the *SpecError; empty: valid
	}{
		{"as it is", func(*Spec) {}, ""},
		{"no busybox", func(s *Spec) { s.BusyboxPath = "" }, ""},
		{"no machines", func(s *Spec) { s.Machines = nil }, "Machines"},
		{"no worker", func(s *Spec) { s.Machines = s.Machines[:1] }, "Machines"},
		{"no server", func(s *Spec) { s.Machines = s.Machines[1:] }, "Machines"},
		{"bad name", func(s *Spec) { s.Machines[0].Name = "Server_1" }, "Machines"},
		{"name with a slash", func(s *Spec) { s.Machines[0].Name = "../etc" }, "Machines"},
		{"same name", func(s *Spec) { s.Machines[1].Name = "server" }, "Machines"},
		{"bad role", func(s *Spec) { s.Machines[1].Role = "boss" }, "Machines"},
		{"no address", func(s *Spec) { s.Machines[1].Addr = "" }, "Machines"},
		{"IPv6", func(s *Spec) { s.Machines[1].Addr = "fd00::1" }, "Machines"},
		{"same address", func(s *Spec) { s.Machines[1].Addr = s.Machines[2].Addr }, "Machines"},
		{"short lease", func(s *Spec) { s.LeaseSeconds = 5; s.GraceSeconds = 20 }, "LeaseSeconds"},
		{"long grace", func(s *Spec) { s.GraceSeconds = 7200 }, "GraceSeconds"},
		{"no agent", func(s *Spec) { s.AgentBinary = nil }, "AgentBinary"},
		{"key that is none", func(s *Spec) { s.SSHAuthorizedKey = "hello" }, "SSHAuthorizedKey"},
		{"host key of a stranger", func(s *Spec) { s.HostKeys = map[string]ed25519.PrivateKey{"worker9": nil} }, "HostKeys"},
		{"no kubelet", func(s *Spec) { s.Binaries.KubeletDir = t.TempDir() }, "Binaries.KubeletDir"},
		{"no control plane", func(s *Spec) { s.Binaries.ControlPlaneDir = "" }, "Binaries.ControlPlaneDir"},
		{"no etcd", func(s *Spec) { s.Binaries.EtcdDir = "/nonexistent" }, "Binaries.EtcdDir"},
		{"busybox is a directory", func(s *Spec) { s.BusyboxPath = "/" }, "BusyboxPath"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := testSpec(t)
			tc.change(&s)
			err := s.Validate()
			var bad *SpecError
			got := ""
			if errors.As(err, &bad) {
				got = bad.Field
			} else if err != nil {
				t.Fatalf("Validate: %v is no *SpecError", err)
			}
			if diff := cmp.Diff(tc.field, got); diff != "" {
				t.Errorf("field of %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	base := testSpec(t)
	key := func(s Spec) string {
		t.Helper()
		k, err := s.Key()
		if err != nil {
			t.Fatalf("Key: %v", err)
		}
		return k
	}
	want := key(base)
	for name, change := range map[string]func(*Spec){
		"the same":           func(*Spec) {},
		"defaults spelt out": func(s *Spec) { s.LeaseSeconds, s.GraceSeconds = DefaultLeaseSeconds, DefaultLeaseSeconds },
		"binaries elsewhere": func(s *Spec) { s.Binaries.EtcdDir = "/elsewhere" },
	} {
		s := base
		change(&s)
		if got := key(s); got != want {
			t.Errorf("%s: the key changed", name)
		}
	}
	for name, change := range map[string]func(*Spec){
		"kubelet":  func(s *Spec) { s.Kubelet = "v1.34.4" },
		"lease":    func(s *Spec) { s.LeaseSeconds = 90 },
		"agent":    func(s *Spec) { s.AgentBinary = []byte("another") },
		"machines": func(s *Spec) { s.Machines = s.Machines[:2] },
		"busybox":  func(s *Spec) { s.BusyboxPath = "" },
		"arch":     func(s *Spec) { s.Arch = "arm64" },
	} {
		s := base
		change(&s)
		if got := key(s); got == want {
			t.Errorf("%s: the key did not change", name)
		}
	}
}
