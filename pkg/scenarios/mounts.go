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

// teardownTimeout bounds putting everything back, also after an interrupt: it
// is reached only where a machine is wedged and has to be reset.
const teardownTimeout = 10 * time.Minute

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
	ctx = withScribe(withStopwatch(ctx, &b.waited), b.Cells...)
	defer b.notePhases(ctx)()
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
		note(withScribe(ctx, c), rundir.Step{Do: rundir.DoExport, Machine: b.server().Name, Path: c.Export.Path, Options: c.Export.Options})
	}
	err = b.pauseBefore(ctx, PauseSetup, b.Cells, "anything is mounted or started")
	if err == nil {
		err = setup(ctx)
	}
	if err == nil {
		err = body(ctx)
	}
	if err == nil {
		err = b.pauseBefore(ctx, PauseTeardown, b.Cells, "everything is taken down")
	}
	note(ctx, rundir.Step{Do: rundir.DoTeardown})
	ctx = withoutPauses(ctx)
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

// ledger reads what exists on the batch's machines now, and in the API if the
// batch has pods; a machine that was reset meanwhile is dialled anew.
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
	if err != nil {
		return nil, err
	}
	if b.cluster != nil {
		defer waiting(ctx)()
		objects, err := b.cluster.Ledger(ctx, b.namespace())
		if err != nil {
			return ledger, err
		}
		for category, entries := range objects {
			ledger[category] = entries
		}
	}
	if b.objects == nil {
		return ledger, nil
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
	c.Trial.Update(func(m *rundir.TrialMeta) {
		m.WaitNS, m.ChainNS = b.waited.elapsed().Nanoseconds(), b.waited.chain().Nanoseconds()
	})
	return errors.Join(
		b.flush(c),
		c.Trial.Steps(c.steps.inOrder()),
		c.Trial.LedgerBefore(ofCell(before, c, b.RunID, broken)),
		c.Trial.LedgerAfter(ofCell(after, c, b.RunID, broken)),
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
			err := atOnce(len(workers), func(i int) error { return b.unmountAll(ctx, workers[i]) })
			return errors.Join(err, b.unwedge(ctx))
		},
	)
}

// mountAll mounts the export of every cell given on a worker. What cannot be
// mounted, or is not what was asked for, spoils its own cell only.
func (b *Batch) mountAll(ctx context.Context, m lab.Machine, cells []*Cell) error {
	return b.mountPlaces(ctx, m, cells, (*Cell).place)
}

// mountPlaces is mountAll of another place of each cell.
func (b *Batch) mountPlaces(ctx context.Context, m lab.Machine, cells []*Cell, of func(c *Cell) place) error {
	defer waiting(ctx)()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	specs := make([]nfs.MountSpec, len(cells))
	ends := make([]func(error), len(cells))
	for i, c := range cells {
		p := of(c)
		specs[i] = b.source(c)
		if p.exported != c.Export.Path {
			specs[i].Path = p.exported
		}
		specs[i].Target = p.mounted
		ends[i] = begin(withScribe(ctx, c), rundir.Step{
			Do: rundir.DoMount, Machine: m.Name, Source: specs[i].Server + ":" + specs[i].Path, Path: specs[i].Target, Options: specs[i].Options,
			WithinNS: nfs.DefaultDeadline.Nanoseconds(),
		})
	}
	made, err := nfs.Mounter{}.MountAll(ctx, node, specs)
	if err != nil {
		for _, end := range ends {
			end(err)
		}
		return err
	}
	for i, c := range cells {
		err := made[i].Err
		ends[i](err)
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
// machine follows. moreThanLazy is that no unmount did it.
const (
	unmountFact  = "unmount_"
	moreThanLazy = "more than umount -l"
)

// unmountAll unmounts every cell's export on a worker.
func (b *Batch) unmountAll(ctx context.Context, m lab.Machine) error {
	return b.unmountPlaces(ctx, m, (*Cell).place)
}

func (b *Batch) unmountPlaces(ctx context.Context, m lab.Machine, of func(c *Cell) place) error {
	defer waiting(ctx)()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	targets := make([]string, len(b.Cells))
	for i, c := range b.Cells {
		targets[i] = of(c).mounted
	}
	reports, err := nfs.Mounter{}.UnmountAll(ctx, node, targets, nfs.UnmountPlan{})
	if err != nil && !stillMountedAlone(err) {
		return err
	}
	for i, r := range reports {
		switch r.How {
		case nfs.Forced, nfs.Lazy:
			b.Cells[i].Trial.SetFact(unmountFact+m.Name, string(r.How))
		case "":
			b.Cells[i].Trial.SetFact(unmountFact+m.Name, moreThanLazy)
			b.wedge(b.Cells[i], m, &nfs.StillMountedError{Node: m.Name, Report: r})
		}
	}
	return nil
}

// eachAnyway runs f for every cell, also the spoilt ones, and joins what went
// wrong: what is left behind is the ledger's to say.
func (b *Batch) eachAnyway(ctx context.Context, f func(ctx context.Context, c *Cell) error) error {
	results := make(chan error, len(b.Cells))
	for _, c := range b.Cells {
		go func() { results <- f(withScribe(ctx, c), c) }()
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

// place is a directory of a cell: as the server has it, and as the workers see
// it.
type place struct {
	exported, mounted string
}

// place is where the cell's files are, but for those of coarsePlace.
func (c *Cell) place() place { return place{exported: c.Export.Path, mounted: c.mountPoint()} }

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
