package scenarios

import (
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
)

// connectsFact begins the name of the fact that says how often a cell's mount
// connected anew during a mode's fault; the mode follows.
const connectsFact = "reconnects_"

// connects reads how many connections each cell's mount on a machine has made
// so far, from the kernel's statistics. Mounts of one NFS version share the
// connections to a server.
func (b *Batch) connects(ctx context.Context, m lab.Machine) (map[*Cell]uint64, error) {
	return b.connectsOf(ctx, m, (*Cell).mountPoint)
}

// connectsOf is connects for mounts elsewhere in the machine's tree.
func (b *Batch) connectsOf(ctx context.Context, m lab.Machine, mountPoint func(c *Cell) string) (map[*Cell]uint64, error) {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	node, err := b.node(ctx, m)
	if err != nil {
		return nil, err
	}
	text, err := node.Output(ctx, "cat /proc/1/mountstats")
	if err != nil {
		return nil, fmt.Errorf("read the mounts' statistics: %w", err)
	}
	stats, err := nfs.ParseMountStats(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the mounts' statistics on %s: %w", m.Name, err)
	}
	made := map[*Cell]uint64{}
	for _, c := range b.Cells {
		for _, s := range stats {
			if s.Mountpoint == mountPoint(c) {
				made[c] = s.Connects()
			}
		}
	}
	return made, nil
}

// noteReconnects records how many connections were made since before.
func (b *Batch) noteReconnects(ctx context.Context, m lab.Machine, mode string, before map[*Cell]uint64) error {
	after, err := b.connects(ctx, m)
	if err != nil {
		return err
	}
	b.noteConnects(mode, before, after)
	return nil
}

// noteConnects records how many connections were made between two looks.
func (b *Batch) noteConnects(mode string, before, after map[*Cell]uint64) {
	for _, c := range b.live() {
		c.Trial.SetFact(connectsFact+mode, int64(after[c])-int64(before[c]))
	}
}

// reconnects is what noteReconnects recorded; ok is false when it did not.
func (e *Evidence) reconnects(mode string) (n int64, ok bool) {
	switch v := e.Trial.Facts[connectsFact+mode].(type) {
	case float64: // as JSON has it
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}
