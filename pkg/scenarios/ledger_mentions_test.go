package scenarios

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/rundir"
)

func TestMentions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		entry, key string
		want       bool
	}{
		{"worker1: 0:40 /mnt/nfsim/x-1a-1 nfs4", "/x-1a-1", true},
		{"worker1: 0:40 /mnt/nfsim/x-1a-10 nfs4", "/x-1a-1", false},
		{"worker1: /mnt/nfsim/x-1a-1-leaked", "/x-1a-1", true},
		{"server: /srv/x-1a-10 and /srv/x-1a-1", "/x-1a-1", true},
		{"worker1: pod delete-while-down-1-1 container c0ffee", "delete-while-down-1-1", true},
		{"worker1: pod delete-while-down-1-1-inline container c0ffee", "delete-while-down-1-1", true},
		{"worker1: pod force-delete-while-down-1-1 container c0ffee", "delete-while-down-1-1", false},
		{"api: nfsim-r/force-x-1-1 volume=nfsim-r-x-1-1 of nfsim-r/x-1-1", "x-1-1", true},
		{"x-1-1x-1-1", "x-1-1", false},
		{"anything", "", false},
	} {
		if got := mentions(tt.entry, tt.key); got != tt.want {
			t.Errorf("mentions(%q, %q) = %v", tt.entry, tt.key, got)
		}
	}
}

// TestOfCell checks whose an entry is: by name, by the device that was mounted,
// and not by a device number that the kernel has given to another cell's mount.
func TestOfCell(t *testing.T) {
	t.Parallel()
	c := &Cell{keys: []string{"/srv/nfsim/r1/x-1-1", "x-1-1"}, devices: []string{"worker2: 0:36 "}}
	mine := []string{"worker1: 0:40 /mnt/nfsim/x-1-1 nfs4 10.0.0.1:/srv/nfsim/r1/x-1-1 rw", "worker2: 0:36 /data nfs4 10.0.0.2:/share rw,port=20513"}
	others := []string{"worker2: 0:36 /mnt/nfsim/y-1-1 nfs4 10.0.0.1:/srv/nfsim/r1/y-1-1 rw", "worker1: 0:36 /data nfs4 10.0.0.2:/share rw,port=20514"}
	got := ofCell(rundir.Ledger{"mounts.host": append(others, mine...), rundir.NFT: {"worker1: table a", "worker2: table b"}}, c, "r1", "worker2")
	want := rundir.Ledger{"mounts.host": mine, rundir.NFT: {"worker2: table b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
