package nfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// table has a root, two NFS mounts of one superblock, one with an octal
// escape, and an NFSv3 mount that is mounted over another.
const table = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:41 / /mnt/nfsim/a rw,relatime shared:20 - nfs4 192.168.127.10:/srv/nfsim/r/t rw,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,clientaddr=192.168.127.11,local_lock=none,addr=192.168.127.10
41 22 0:41 / /mnt/with\040space rw,relatime shared:21 - nfs4 192.168.127.10:/srv/nfsim/r/t rw,vers=4.2,hard
42 22 0:42 / /mnt/nfsim/b rw - nfs 192.168.127.10:/one rw,vers=3,hard
43 42 0:43 / /mnt/nfsim/b rw - nfs 192.168.127.10:/two rw,vers=3,hard
`

func TestParseMountinfo(t *testing.T) {
	t.Parallel()
	mounts, err := ParseMountinfo(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	a, ok := FindMount(mounts, "/mnt/nfsim/a")
	want := Granted{
		Mountpoint: "/mnt/nfsim/a", Source: "192.168.127.10:/srv/nfsim/r/t", FSType: "nfs4", VFS: "rw,relatime",
		Raw: "rw,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys," +
			"clientaddr=192.168.127.11,local_lock=none,addr=192.168.127.10",
		Opts: Options{
			"rw": "", "vers": "4.2", "rsize": "262144", "wsize": "262144", "namlen": "255", "hard": "", "proto": "tcp", "timeo": "600",
			"retrans": "2", "sec": "sys", "clientaddr": "192.168.127.11", "local_lock": "none", "addr": "192.168.127.10",
		},
		MajorMinor: "0:41", Root: "/", MountID: 40,
	}
	if diff := cmp.Diff(want, a); !ok || diff != "" {
		t.Errorf("found %v: %s", ok, diff)
	}
	if top, _ := FindMount(mounts, "/mnt/nfsim/b"); top.Source != "192.168.127.10:/two" {
		t.Errorf("on top is %s", top.Source)
	}
	if _, ok := FindMount(mounts, "/mnt/nfsim"); ok {
		t.Error("found a mount that is not there")
	}
	if below, ok := MountBelow(mounts, "/mnt/nfsim"); !ok || below.Mountpoint != "/mnt/nfsim/a" {
		t.Errorf("below /mnt/nfsim: %v, %s", ok, below.Mountpoint)
	}
	for _, dir := range []string{"/mnt/nfsim/a", "/mnt/nfs", "/proc"} {
		if m, ok := MountBelow(mounts, dir); ok {
			t.Errorf("below %s: %s", dir, m.Mountpoint)
		}
	}
	others := SharedWith(mounts, a)
	if len(others) != 1 || others[0].Mountpoint != "/mnt/with space" {
		t.Errorf("shared with %v", others)
	}
	if b, _ := FindMount(mounts, "/mnt/nfsim/b"); len(SharedWith(mounts, b)) != 0 {
		t.Error("mounts of two superblocks count as shared")
	}
}

func TestLedgerLines(t *testing.T) {
	t.Parallel()
	mounts, err := ParseMountinfo(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/mnt/nfsim/a 192.168.127.10:/srv/nfsim/r/t nfs4 root=/ rw,relatime " + mounts[1].Raw,
		"/mnt/nfsim/b 192.168.127.10:/one nfs root=/ rw rw,vers=3,hard",
		"/mnt/nfsim/b 192.168.127.10:/two nfs root=/ rw rw,vers=3,hard",
		`/mnt/with\040space 192.168.127.10:/srv/nfsim/r/t nfs4 root=/ rw,relatime rw,vers=4.2,hard`,
	}
	if diff := cmp.Diff(want, LedgerLines(onlyNFS(mounts))); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add(table)
	f.Add("1 1 0:1 / / rw -")
	f.Fuzz(func(t *testing.T, s string) {
		mounts, err := ParseMountinfo(strings.NewReader(s))
		if err != nil {
			return
		}
		for _, line := range LedgerLines(mounts) {
			if strings.ContainsAny(line, "\n\t") && !strings.ContainsAny(s, "\r\v\f\t") {
				t.Errorf("ledger line %q", line)
			}
		}
	})
}
