package cache

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const procLocks = `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
1: -> FLOCK  ADVISORY  READ 99 fe:00:5678 0 EOF
2: FLOCK  ADVISORY  READ 22 00:1f:5678 0 EOF
3: FLOCK  ADVISORY  READ 33 fe:00:77 0 EOF
4: FLOCK  ADVISORY  READ 31 fe:00:77 0 EOF
5: POSIX  ADVISORY  WRITE 44 fe:00:77 0 EOF
6: OFDLCK ADVISORY  READ -1 fe:00:77 0 EOF
7: FLOCK  ADVISORY  READ -1 fe:00:77 0 EOF
garbage
`

func TestParseLocks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		major, minor, inode uint64
		want                []int
		text                string
	}{
		{0xfe, 0, 5678, []int{1234}, "process 1234"},
		{0xfe, 0, 77, []int{31, 33}, "processes 31, 33"},
		{0, 0x1f, 5678, []int{22}, "process 22"},
		{0, 0, 1, nil, "another process"},
	}
	for _, tt := range tests {
		got := parseLocks(procLocks, tt.major, tt.minor, tt.inode)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%x:%x:%d: %s", tt.major, tt.minor, tt.inode, diff)
		}
		if text := describeHolders(got); text != tt.text {
			t.Errorf("describeHolders(%v) = %q, want %q", got, text, tt.text)
		}
	}
}

func FuzzParseLocks(f *testing.F) {
	f.Add(procLocks)
	f.Add("1: FLOCK a b 1 ::")
	f.Fuzz(func(t *testing.T, text string) {
		for _, pid := range parseLocks(text, 0xfe, 0, 77) {
			if pid <= 0 {
				t.Errorf("process id %d", pid)
			}
		}
	})
}
