package scenarios

import "testing"

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
