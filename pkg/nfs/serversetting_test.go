package nfs

import (
	"strings"
	"testing"
)

// newServer is a machine with the files of a running NFS server.
func newServer(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	for file, content := range map[string]string{
		"nfsd/nfsv4leasetime": "15\n", "nfsd/nfsv4gracetime": "12\n", "nfsd/threads": "8\n", "nfsd/v4_end_grace": "N\n",
		"leases-enable": "1\n", "calls": "",
	} {
		m.Write(t, file, content, 0o644)
	}
	m.Commands(t, map[string]string{"systemctl": "echo \"$@\" >> $DIR/calls\n"})
	return m
}

// do runs a script on the machine and returns what it printed.
func (m *machine) do(t *testing.T, script string) string {
	t.Helper()
	res, err := m.node.Run(t.Context(), "sh -c '"+strings.ReplaceAll(script, "'", `'\''`)+"'")
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	return string(res.Stdout)
}

func TestServerSetting(t *testing.T) {
	t.Parallel()
	const leaseFile, graceFile, enableFile = "nfsd/nfsv4leasetime", "nfsd/nfsv4gracetime", "leases-enable"
	for _, tc := range []struct {
		name    string
		setting ServerSetting
		during  map[string]string
		restart bool
	}{
		{"delegations", ServerSetting{NoDelegations: true}, map[string]string{leaseFile: "15\n", enableFile: "0\n", "sysctl.d/zz-nfsim-setting.conf": "fs.leases-enable=0\n"}, false},
		{"lease", ServerSetting{LeaseSeconds: 10}, map[string]string{leaseFile: "10\n", graceFile: "10\n", enableFile: "1\n", "nfs.conf.d/zz-nfsim-setting.conf": "[nfsd]\nlease-time=10\ngrace-time=10\n"}, true},
		{"both", ServerSetting{NoDelegations: true, LeaseSeconds: 90}, map[string]string{leaseFile: "90\n", graceFile: "90\n", enableFile: "0\n"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newServer(t)
			sw, err := tc.setting.Switch(t.Context(), m.node)
			if err != nil {
				t.Fatal(err)
			}
			m.do(t, sw.Inject)
			m.do(t, sw.Prove)
			for file, want := range tc.during {
				if got := m.Read(t, file); got != want {
					t.Errorf("%s is %q, want %q", file, got, want)
				}
			}
			if got := m.Read(t, "calls") != ""; got != tc.restart {
				t.Errorf("service restarted: %v, want %v", got, tc.restart)
			}
			if _, err := m.node.Run(t.Context(), "sh -c '"+strings.ReplaceAll(sw.ProveUndone, "'", `'\''`)+"'"); err == nil {
				t.Error("proven undone before the undo")
			}
			for range 2 { // idempotent
				m.do(t, sw.Undo)
				m.do(t, sw.ProveUndone)
			}
			for file, want := range map[string]string{leaseFile: "15\n", graceFile: "12\n", enableFile: "1\n"} {
				if got := m.Read(t, file); got != want {
					t.Errorf("afterwards %s is %q, want %q", file, got, want)
				}
			}
			if m.Exists("nfs.conf.d/zz-nfsim-setting.conf") || m.Exists("sysctl.d/zz-nfsim-setting.conf") {
				t.Error("a file is left")
			}
		})
	}
}

// TestServerSettingNests checks that a setting on top of another gives back
// the other one, its file included.
func TestServerSettingNests(t *testing.T) {
	t.Parallel()
	m := newServer(t)
	outer, err := ServerSetting{LeaseSeconds: 90}.Switch(t.Context(), m.node)
	if err != nil {
		t.Fatal(err)
	}
	m.do(t, outer.Inject)
	inner, err := ServerSetting{LeaseSeconds: 10}.Switch(t.Context(), m.node)
	if err != nil {
		t.Fatal(err)
	}
	m.do(t, inner.Inject)
	m.do(t, inner.Undo)
	if out := m.do(t, outer.Prove); !strings.Contains(out, "90") {
		t.Errorf("proof %q", out)
	}
	if got, want := m.Read(t, "nfs.conf.d/zz-nfsim-setting.conf"), "[nfsd]\nlease-time=90\ngrace-time=90\n"; got != want {
		t.Errorf("conf %q, want %q", got, want)
	}
	m.do(t, outer.Undo)
	m.do(t, outer.ProveUndone)
}

func TestServerSettingRefuses(t *testing.T) {
	t.Parallel()
	m := newServer(t)
	for _, n := range []int{-1, 9, 3601} {
		if _, err := (ServerSetting{LeaseSeconds: n}).Switch(t.Context(), m.node); err == nil {
			t.Errorf("%d s: no error", n)
		}
	}
	m.Write(t, "nfsd/nfsv4leasetime", "", 0o644)
	if _, err := (ServerSetting{LeaseSeconds: 10}).Switch(t.Context(), m.node); err == nil {
		t.Error("without the service: no error")
	}
}
