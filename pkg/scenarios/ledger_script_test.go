package scenarios

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLedgerScriptReadsTables has the ledger's shell read a /proc made by hand:
// the host's namespace (process 1), a service's with the host's mount and
// nothing else (20), a container's with a mount of its own (30, and 31 in the
// same one), one that ended meanwhile (40), two processes in state D, and a zombie
// (50) with a thread that goes on (51), in state D and in a namespace of its own.
func TestLedgerScriptReadsTables(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	const (
		local = "1 0 254:0 / / rw - ext4 /dev/vda rw\n"
		host  = local + "2 1 0:31 / /var/lib/a\\040b rw,relatime shared:9 - nfs4 server:/srv/a rw,vers=4.2\n"
		other = host + "3 1 0:31 / /data rw,relatime - nfs4 server:/srv/a rw,vers=4.2\n4 1 0:32 / /old rw - nfs server:/srv/b rw,vers=3\n5 1 0:33 / /proc/fs/nfsd rw - nfsd nfsd rw\n"
	)
	for _, p := range []struct{ pid, ns, comm, mounts, stat string }{
		{"self", "mnt:[1]", "sh", host, ""},
		{"1", "mnt:[1]", "systemd", host, "1 (systemd) S 0"},
		{"20", "mnt:[2]", "service", host, "20 (a) b) D 1"},
		{"30", "mnt:[3]", "nfsim-agent", other, "30 (nfsim-agent) D 1"},
		{"31", "mnt:[3]", "nfsim-agent", other, "31 (D) S 1"},
		{"40", "mnt:[4]", "gone", "", ""},
		{"50", "", "writer", "", "50 (writer) Z 1"},
		{"50/task/50", "", "writer", "", "50 (writer) Z 1"},
		{"50/task/51", "mnt:[5]", "writer", host + "6 1 0:34 / /data rw - nfs4 server:/srv/c rw\n", "51 (writer) D 1"},
	} {
		dir := filepath.Join(proc, p.pid)
		if err := os.MkdirAll(filepath.Join(dir, "ns"), 0o700); err != nil {
			t.Fatal(err)
		}
		if p.ns != "" {
			if err := os.Symlink(p.ns, filepath.Join(dir, "ns", "mnt")); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{"comm": p.comm + "\n", "mountinfo": p.mounts, "stat": p.stat + "\n"} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", mountsScript(proc)+blockedProcesses(proc)).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := `mounts.host	0:31 /var/lib/a\040b nfs4 server:/srv/a rw,vers=4.2
mounts.container	0:31 /data nfs4 server:/srv/a rw,vers=4.2 in the namespace of nfsim-agent
mounts.container	0:32 /old nfs server:/srv/b rw,vers=3 in the namespace of nfsim-agent
mounts.container	0:34 /data nfs4 server:/srv/c rw in the namespace of writer
dstate	20 (a) b)
dstate	30 (nfsim-agent)
dstate	51 (writer)
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
