package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
)

const (
	// mapRounds is how many versions are stored through a mapping.
	mapRounds = 3
	// mapWatch is how long a quick run waits for a reader that is stale: past
	// acregmin (3 s) and its double. A full one waits for staleDeadline.
	mapWatch = 10 * time.Second
	// mapLarge is the size of a large mapping in bytes: more than wsize (256 KiB
	// as the lab's server grants it), so that msync takes several WRITEs.
	mapLarge = 576 << 10
	// modeReopenLarge is re-opening while a large mapping is flushed.
	modeReopenLarge = "reopen-large"
)

// mapMode is how B reads what A stores.
type mapMode struct {
	name string
	poll string
	mode string
	size int64
}

func mapModes() []mapMode {
	return []mapMode{
		{modeReopen, proto.PollReopen, history.ModeReopen, registerSize},
		{"held-ro", proto.PollHeldRO, history.ModeHeldRO, registerSize},
		{modeReopenLarge, proto.PollReopen, history.ModeReopen, mapLarge},
	}
}

func mmapShared() Scenario {
	s := Scenario{
		Name: "mmap-shared", Family: FamilyNFS, Quiet: true, Estimate: 45 * time.Second,
		Doc:     "A stores through a shared mapping and calls msync; B reads, re-opening or through a descriptor; once with more than one WRITE takes",
		Decides: "visibility after msync in ms, torn pages",
		Drive:   driveMmapShared,
		Judge:   judgeMmapShared,
	}
	for _, m := range mapModes() {
		s.Modes = append(s.Modes, m.name)
	}
	return s
}

func driveMmapShared(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		for _, m := range mapModes() {
			err := b.each(ctx, "store through a mapping: "+m.name, func(ctx context.Context, c *Cell) error { return b.mapMode(ctx, c, m) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// mapMode stores versions of one file while it is looked at, each when the one
// before was seen.
func (b *Batch) mapMode(ctx context.Context, c *Cell, m mapMode) error {
	w := c.versions(b.on(b.Target), m.name, writeHow{mode: history.ModeClose, size: m.size})
	if err := w.next(ctx); err != nil {
		return err
	}
	release, err := w.hinderDelegation(ctx)
	if err != nil {
		return err
	}
	look, err := c.watch(ctx, b.on(b.Other), watchSpec{file: m.name, poll: m.poll, mode: m.mode, every: heldEvery})
	if err != nil {
		return errors.Join(err, release())
	}
	err = errors.Join(look.awaitAny(ctx), release())
	var mapped *mapping
	if err == nil {
		mapped, err = w.mapShared(ctx)
	}
	for seen := true; err == nil && seen && w.n <= mapRounds; {
		if err = mapped.store(ctx); err == nil {
			seen, err = look.awaitShown(ctx, w.latest(), b.watchFor(mapWatch))
		}
	}
	if mapped != nil {
		err = errors.Join(err, mapped.close(ctx))
	}
	return errors.Join(err, look.end(ctx), w.truth(ctx, b.on(b.server())))
}

// mapping is a file's shared mapping in the agent of a writer.
type mapping struct {
	*versions
	fd, number int64
}

func (w *versions) mapShared(ctx context.Context) (*mapping, error) {
	opened, err := w.at.must(ctx, proto.Request{Op: proto.OpOpen, Lane: w.lane(), Path: w.path(), Flags: []proto.Flag{proto.RDWR}})
	if err != nil {
		return nil, err
	}
	m := &mapping{versions: w, fd: opened.FD}
	mapped, err := w.at.must(ctx, proto.Request{Op: proto.OpMap, Lane: w.lane(), FD: m.fd, Size: w.how.size, Flags: []proto.Flag{proto.RDWR}})
	m.number = mapped.Map
	return m, err
}

// store stores the next version and calls msync: one write, from the store's
// call to msync's return.
func (m *mapping) store(ctx context.Context) error {
	m.n++
	stored, err := m.at.do(ctx, proto.Request{Op: proto.OpStore, Lane: m.lane(), Map: m.number, Token: m.latest(), Size: m.how.size})
	if err != nil {
		return err
	}
	both := stored
	if stored.OK() {
		var synced agent.Timed
		if synced, err = m.at.do(ctx, proto.Request{Op: proto.OpMsync, Lane: m.lane(), Map: m.number}); err != nil {
			return err
		}
		both = synced
		both.T0, both.Invoked = stored.T0, stored.Invoked
	}
	op := history.Op{
		Client: m.at.machine, Lane: m.writer(), Func: history.Write, File: m.file, Mode: history.ModeFsync,
		Value: m.latest(), Size: m.how.size, Result: history.OK,
	}
	if !both.OK() {
		op.Result = history.Unknown // a page of it may have left
	}
	m.cell.op(m.at.machine, timedOp(both, op))
	if !both.OK() {
		return fmt.Errorf("store %s through the mapping of %s on %s: %s", m.latest(), m.file, m.at.machine, orHung(both.Errno))
	}
	return nil
}

// close unmaps and closes.
func (m *mapping) close(ctx context.Context) error {
	var err error
	if m.number != 0 {
		_, err = m.at.must(ctx, proto.Request{Op: proto.OpUnmap, Lane: m.lane(), Map: m.number})
	}
	_, closeErr := m.at.must(ctx, proto.Request{Op: proto.OpClose, Lane: m.lane(), FD: m.fd})
	return errors.Join(err, closeErr)
}

func judgeMmapShared(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	for _, m := range mapModes() {
		j.Modes = append(j.Modes, judgeRegister(e, m.name, 2))
	}
	return j
}
