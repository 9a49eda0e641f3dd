package scenarios

import (
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

// TestLooksSideBySide notes looks that overlap: the pods of a cell with shapes
// are looked at at once, each in its own file, which is one history.
func TestLooksSideBySide(t *testing.T) {
	t.Parallel()
	look := history.Op{Client: history.ClientWire, Result: history.OK, Invoke: 10, Return: 20}
	for _, c := range []struct {
		name  string
		files []string
		valid bool
	}{
		{"two files", []string{"log", "subpath-dir/log"}, true},
		{"one file twice", []string{"log", "log"}, false},
	} {
		cell := &Cell{}
		for _, file := range c.files {
			cell.noteLook("", file, look)
		}
		var ops []history.Op
		for _, noted := range cell.pending.ops {
			ops = append(ops, noted.record)
		}
		if problems := history.Validate(ops); len(problems) == 0 != c.valid {
			t.Errorf("%s: problems %v", c.name, problems)
		}
	}
}
