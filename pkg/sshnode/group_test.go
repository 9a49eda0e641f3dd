package sshnode

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/sshnode/internal/shell"
)

func TestGroupFilter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2*maxPreamble)
	tests := []struct {
		name, in, want string
		group          int // 0: none
	}{
		{"only the line", shell.GroupMark + "123\n", "", 123},
		{"in the middle", "lecture\n" + shell.GroupMark + "123\nerror\n", "lecture\nerror\n", 123},
		{"no line", "sudo: a password is required\n", "sudo: a password is required\n", 0},
		{"cut short", shell.GroupMark + "12", shell.GroupMark + "12", 0},
		{"no number", shell.GroupMark + "x\nrest", "rest", 0},
		{"everybody's group", shell.GroupMark + "1\n", "", 0},
		{"second line is the command's own", shell.GroupMark + "2\n" + shell.GroupMark + "3\n", shell.GroupMark + "3\n", 2},
		{"too late", long + shell.GroupMark + "4\n", long + shell.GroupMark + "4\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []int{1, 7, len(tt.in)} {
				if tt.group == 0 && tt.name == "too late" && step == len(tt.in) {
					continue // in one piece the line is seen
				}
				var dst bytes.Buffer
				f := newGroupFilter(&dst)
				for rest := []byte(tt.in); len(rest) > 0; {
					n := min(step, len(rest))
					if _, err := f.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				f.flush()
				group := 0
				select {
				case group = <-f.known:
				default:
				}
				if dst.String() != tt.want || group != tt.group {
					t.Errorf("in steps of %d: group %d, rest %q, want %d, %q", step, group, dst.String(), tt.group, tt.want)
				}
			}
		})
	}
}
