package qemu

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
)

func TestAddressPlan(t *testing.T) {
	t.Parallel()
	s := Spec{Workers: 3}.WithDefaults()
	want := []lab.Machine{
		{Name: "server", Role: lab.Server, Addr: "192.168.127.10"},
		{Name: "worker1", Role: lab.Worker, Addr: "192.168.127.11"},
		{Name: "worker2", Role: lab.Worker, Addr: "192.168.127.12"},
		{Name: "worker3", Role: lab.Worker, Addr: "192.168.127.13"},
	}
	if diff := cmp.Diff(want, s.Machines()); diff != "" {
		t.Error(diff)
	}
	seen := map[string]bool{}
	for _, m := range s.Machines() {
		for _, id := range []string{MAC(m), MachineID(m), m.Addr} {
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
		}
		if len(MachineID(m)) != 32 {
			t.Errorf("machine id %q has not 32 digits", MachineID(m))
		}
	}
	if MAC(want[1]) != "52:54:00:7f:00:0b" {
		t.Errorf("MAC = %s", MAC(want[1]))
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := (Spec{}).WithDefaults().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for name, s := range map[string]Spec{
		"name goes up":    {Name: "../x"},
		"name has a dash": {Name: "-x"},
		"name is long":    {Name: strings.Repeat("x", 32)},
		"one worker":      {Workers: 1},
		"many workers":    {Workers: 9},
		"small worker":    {WorkerMemMiB: 256},
		"small server":    {ServerMemMiB: 256},
		"no processor":    {CPUs: -1},
		"accelerator":     {Accel: "hvf"},
		"short lease":     {LeaseSeconds: 9},
		"negative lease":  {LeaseSeconds: -1},
	} {
		var usage *lab.UsageError
		if err := s.WithDefaults().Validate(); !errors.As(err, &usage) {
			t.Errorf("%s: %v, want a usage error", name, err)
		}
	}
}

func TestDiffersFrom(t *testing.T) {
	t.Parallel()
	have := Spec{Debian: "trixie", Kubernetes: "v1.36.3", Kubelet: "v1.36.3", Accel: host.TCG}.WithDefaults()
	for _, tt := range []struct {
		want Spec
		diff string
	}{
		{Spec{}, ""},
		{Spec{Kubernetes: "v1.36.3", Workers: 2}, ""},
		{Spec{Kubelet: "v1.34.4"}, "version of kubelet"},
		{Spec{Workers: 3}, "number of workers"},
		{Spec{Accel: host.KVM}, "accelerator"},
	} {
		if got := tt.want.DiffersFrom(have); got != tt.diff {
			t.Errorf("DiffersFrom(%+v) = %q, want %q", tt.want, got, tt.diff)
		}
	}
}
