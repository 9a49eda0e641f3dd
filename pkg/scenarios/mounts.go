package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// teardownTimeout bounds putting everything back, also after an interrupt.
const teardownTimeout = 3 * time.Minute

// MismatchError says that the kernel granted other options than the profile
// asked for: a trial on such a mount would measure something else.
type MismatchError struct {
	Machine, Mount string
	Mismatches     []nfs.Mismatch
}

func (e *MismatchError) Error() string {
	words := make([]string, len(e.Mismatches))
	for i, m := range e.Mismatches {
		words[i] = m.String()
	}
	return fmt.Sprintf("mount %s on %s is not what was asked for: %s", e.Mount, e.Machine, strings.Join(words, "; "))
}

// frame is what every trial is wrapped in: agents and clocks, the ledger
// before, setup, body, teardown, the ledger after, and everything recorded on
// disk. Teardown and recording happen also when ctx is over. The error is the
// batch's; what spoils one cell alone is kept in that cell.
func (b *Batch) frame(ctx context.Context, setup, body, teardown func(ctx context.Context) error) (err error) {
	ctx = withStopwatch(ctx, &b.waited)
	b.Phase("connect agents")
	if err := b.connect(ctx); err != nil {
		return err
	}
	before, err := b.ledger(ctx)
	if err != nil {
		return err
	}
	for _, c := range b.Cells {
		c.own(c.Export.Path)
	}
	err = setup(ctx)
	if err == nil {
		err = body(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	b.Phase("tear down")
	err = errors.Join(err, teardown(last))
	after, ledgerErr := b.ledger(last)
	err = errors.Join(err, ledgerErr, b.sampleClocks(last))
	for _, c := range b.Cells {
		if recordErr := b.record(c, before, after); recordErr != nil {
			err = errors.Join(err, fmt.Errorf("record cell %s: %w", c.Key, recordErr))
		}
	}
	if errors.Is(err, errNoCells) {
		return nil
	}
	return err
}

// ledger reads what exists on the batch's machines now; one that was reset
// meanwhile is dialled anew.
func (b *Batch) ledger(ctx context.Context) (rundir.Ledger, error) {
	nodes := make([]*sshnode.Node, 0, 3)
	for _, m := range b.machines() {
		n, err := b.node(ctx, m)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	ledger, err := takeLedger(ctx, nodes)
	if err != nil || b.objects == nil {
		return ledger, err
	}
	objects, err := b.objects(ctx)
	if err != nil {
		return nil, fmt.Errorf("take ledger of the API server: %w", err)
	}
	for category, entries := range objects {
		ledger[category] = append(ledger[category], entries...)
	}
	return ledger, nil
}

// record writes what a cell saw, and its share of the ledgers.
func (b *Batch) record(c *Cell, before, after rundir.Ledger) error {
	broken := ""
	if b.Breaks {
		broken = b.Target.Name
	}
	c.Trial.Update(func(m *rundir.TrialMeta) { m.WaitNS = b.waited.elapsed().Nanoseconds() })
	return errors.Join(
		b.flush(c),
		c.Trial.LedgerBefore(ofCell(before, c.keys, broken)),
		c.Trial.LedgerAfter(ofCell(after, c.keys, broken)),
	)
}

// withMounts mounts every cell's export with the cell's options on Target and
// Other, for as long as body runs.
func (b *Batch) withMounts(ctx context.Context, body func(ctx context.Context) error) error {
	workers := []lab.Machine{b.Target, b.Other}
	return b.frame(ctx,
		func(ctx context.Context) error {
			b.Phase("mount")
			return atOnce(len(workers), func(i int) error { return b.mountAll(ctx, workers[i], b.Cells) })
		},
		body,
		func(ctx context.Context) error {
			return atOnce(len(workers), func(i int) error { return b.unmountAll(ctx, workers[i]) })
		},
	)
}

// mountAll mounts the export of every cell given on a worker. What cannot be
// mounted, or is not what was asked for, spoils its own cell only.
func (b *Batch) mountAll(ctx context.Context, m lab.Machine, cells []*Cell) error {
	defer waiting(ctx)()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	specs := make([]nfs.MountSpec, len(cells))
	for i, c := range cells {
		specs[i] = b.source(c)
		specs[i].Target = c.mountPoint()
	}
	made, err := nfs.Mounter{}.MountAll(ctx, node, specs)
	if err != nil {
		return err
	}
	for i, c := range cells {
		err := made[i].Err
		if err == nil {
			err = c.accept(m.Name, made[i].Granted)
		}
		if err != nil {
			c.fail(err)
		}
	}
	return nil
}

// unmountFact begins the name of the fact that an unmount took force; the
// machine follows.
const unmountFact = "unmount_"

// unmountAll unmounts every cell's export on a worker.
func (b *Batch) unmountAll(ctx context.Context, m lab.Machine) error {
	defer waiting(ctx)()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	targets := make([]string, len(b.Cells))
	for i, c := range b.Cells {
		targets[i] = c.mountPoint()
	}
	reports, err := nfs.Mounter{}.UnmountAll(ctx, node, targets, nfs.UnmountPlan{})
	for i, r := range reports {
		if r.How == nfs.Forced || r.How == nfs.Lazy {
			b.Cells[i].Trial.SetFact(unmountFact+m.Name, string(r.How))
		}
	}
	return err
}

// eachAnyway runs f for every cell, also the spoilt ones, and joins what went
// wrong: what is left behind is the ledger's to say.
func (b *Batch) eachAnyway(ctx context.Context, f func(ctx context.Context, c *Cell) error) error {
	results := make(chan error, len(b.Cells))
	for _, c := range b.Cells {
		go func() { results <- f(ctx, c) }()
	}
	var err error
	for range b.Cells {
		err = errors.Join(err, <-results)
	}
	return err
}

// source is what the cell mounts, without the mount point: its export on the
// server, or its share.
func (b *Batch) source(c *Cell) nfs.MountSpec {
	if c.share != nil {
		return c.share.source()
	}
	return nfs.MountSpec{Server: b.server().Addr, Path: c.Export.Path, Options: c.Profile.Options}
}

// mountPoint is where the cell's export is mounted on a worker, the same on
// each.
func (c *Cell) mountPoint() string { return nfs.MountRoot + "/" + c.Key }

// accept records what the kernel granted and refuses a mount that is not what
// the profile asked for.
func (c *Cell) accept(machine string, granted nfs.Granted) error {
	c.Trial.Update(func(m *rundir.TrialMeta) {
		m.GrantedRaw = granted.Raw
		m.Granted = map[string]string{}
		for k, v := range granted.Opts {
			m.Granted[k] = v
		}
		m.MountLines = append(m.MountLines, fmt.Sprintf("%s: %s %s %s on %s %s", machine, granted.MajorMinor, granted.FSType, granted.Source, granted.Mountpoint, granted.Raw))
	})
	asked := c.Profile.Options
	if c.share != nil {
		asked = c.share.source().Options
	}
	mismatches, err := nfs.Compare(asked, granted)
	if err != nil {
		return err
	}
	if len(mismatches) > 0 {
		return &MismatchError{Machine: machine, Mount: granted.Mountpoint, Mismatches: mismatches}
	}
	return nil
}
