package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// heldWatch is how long a reader keeps what was replaced or removed under
	// it: past acregmin (3 s), after which the client asks the server.
	heldWatch = 6 * time.Second
	// heldEvery is from look to look.
	heldEvery = 50 * time.Millisecond
	// renameWatch is how long a quick run waits for a reader that is led to the
	// old file: past acdirmin (30 s). A full one waits for staleDeadline.
	renameWatch = 35 * time.Second
	// renameRounds is how often a file is replaced for readers that re-open.
	renameRounds = 3
)

// The modes of rename-over: B holds the old file, re-opens the name, or both.
// Each has a directory of its own: a lookup that one mode sends fetches the
// attributes of the directory, and with them ends what another mode is to
// measure, for how long entries of that directory are trusted.
const (
	modeHeld       = "held"
	modeReopenHeld = "reopen-held"
)

func renameOver() Scenario {
	return Scenario{
		Name: "rename-over", Family: FamilyNFS, Quiet: true, Estimate: 50 * time.Second,
		Modes:   []string{modeHeld, modeReopen, modeReopenHeld},
		Doc:     "A replaces a file by rename while B has it open, re-opens it, or does both",
		Decides: "old, new or ESTALE; never torn; how long the name still leads to the old file",
		Drive:   driveRenameOver,
		Judge:   judgeRenameOver,
	}
}

func driveRenameOver(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "replace a file by rename while the other side reads", func(ctx context.Context, c *Cell) error {
			modes := renameOver().Modes
			return atOnce(len(modes), func(i int) error {
				if _, err := b.on(b.server()).must(ctx, proto.Request{Op: proto.OpMkdir, Path: c.Export.Path + "/" + modes[i]}); err != nil {
					return err
				}
				w := c.versions(b.on(b.Target), modes[i]+"/file", byClose())
				if err := w.next(ctx); err != nil {
					return err
				}
				switch modes[i] {
				case modeHeld:
					return b.renameHeld(ctx, w)
				case modeReopen:
					return b.renameWhileReopened(ctx, w, renameRounds)
				default:
					return b.renameReopenedHeld(ctx, w)
				}
			})
		})
	})
}

// holdOpen is how B keeps a file open and reads it.
func holdOpen(file string) watchSpec {
	return watchSpec{file: file, poll: proto.PollHeldRO, mode: history.ModeHeldRO, every: heldEvery}
}

// renameHeld replaces a file once while B reads it through a descriptor.
func (b *Batch) renameHeld(ctx context.Context, w *versions) error {
	look, err := b.lookHeld(ctx, w.cell, w.file)
	if err != nil {
		return err
	}
	if err = w.renameNext(ctx); err == nil {
		err = quiet(ctx, heldWatch)
	}
	return errors.Join(err, look.end(ctx), w.truth(ctx, b.on(b.server())))
}

// lookHeld lets B open a file and read it over and over.
func (b *Batch) lookHeld(ctx context.Context, c *Cell, file string) (*watch, error) {
	look, err := c.watch(ctx, b.on(b.Other), holdOpen(file))
	if err != nil {
		return nil, err
	}
	return look, look.awaitAny(ctx)
}

// renameWhileReopened replaces a file while B re-opens it, each time that B has
// seen the last one.
func (b *Batch) renameWhileReopened(ctx context.Context, w *versions, rounds int) error {
	look, err := w.cell.watch(ctx, b.on(b.Other), watchSpec{file: w.file, poll: proto.PollReopen, mode: history.ModeReopen, every: heldEvery})
	if err != nil {
		return err
	}
	err = look.awaitAny(ctx)
	for seen := true; err == nil && seen && w.n <= rounds; {
		if err = w.renameNext(ctx); err == nil {
			seen, err = look.awaitShown(ctx, w.latest(), b.watchFor(renameWatch))
		}
	}
	return errors.Join(err, look.end(ctx), w.truth(ctx, b.on(b.server())))
}

// renameReopenedHeld is renameWhileReopened of a file that B has open besides,
// so that the old one lives on at a server that knows of opens.
func (b *Batch) renameReopenedHeld(ctx context.Context, w *versions) error {
	reader := b.on(b.Other)
	held, err := reader.must(ctx, proto.Request{Op: proto.OpOpen, Lane: w.lane(), Path: w.path(), Flags: []proto.Flag{proto.RDONLY}})
	if err != nil {
		return err
	}
	err = b.renameWhileReopened(ctx, w, 1)
	// The file may be gone for a client that the server knows no opens of.
	_, closeErr := reader.do(ctx, proto.Request{Op: proto.OpClose, Lane: w.lane(), FD: held.FD})
	return errors.Join(err, closeErr)
}

// renameNext writes the next version to another name and renames it over the
// file: one version of the name, made by the rename.
func (w *versions) renameNext(ctx context.Context) error {
	w.n++
	fresh := w.path() + ".new"
	req := w.request(w.n)
	req.Path = fresh
	if _, err := w.at.must(ctx, req); err != nil {
		return err
	}
	t, err := w.at.do(ctx, proto.Request{Op: proto.OpRename, Lane: w.lane(), Path: fresh, To: w.path()})
	if err != nil {
		return err
	}
	w.cell.op(w.at.machine, timedOp(t, history.Op{
		Client: w.at.machine, Lane: w.writer(), Func: history.Rename, File: w.file,
		Value: versionToken(w.n), Size: w.how.size, Result: writeResult(t.Response),
	}))
	if !t.OK() {
		return fmt.Errorf("rename over %s on %s: %s", w.file, w.at.machine, orHung(t.Errno))
	}
	return nil
}

func judgeRenameOver(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	held := judgeMode(e, modeHeld, consistency.Untorn, consistency.Durable)
	held.Outcomes = append(held.Outcomes, judgeHeld(opsOf(e.Ops, modeHeld), versionToken(1), history.Rename))
	j.Modes = append(j.Modes, held,
		judgeRegister(e, modeReopen, 1+renameRounds, consistency.CloseToOpen),
		judgeRegister(e, modeReopenHeld, 2, consistency.CloseToOpen))
	return j
}

// judgeHeld says what became of a descriptor whose file was replaced or
// removed: the old contents go on being read, or they are gone.
func judgeHeld(ops []history.Op, old, change string) outcome.Outcome {
	var changed, first, last *history.Op
	kept := 0
	for i := range ops {
		if op := &ops[i]; op.Func == change && op.Result == history.OK {
			changed = op
		}
	}
	if changed == nil {
		return outcome.New(outcome.Inconclusive, "no %s of the file was acknowledged", change)
	}
	for i := range ops {
		op := &ops[i]
		if op.Func != history.Read || op.Mode != history.ModeHeldRO || op.Invoke < changed.Return {
			continue
		}
		last = op
		switch {
		case op.Result == history.OK && op.Value == old:
			kept++
		case first == nil:
			first = op
		}
	}
	switch {
	case last == nil:
		return outcome.New(outcome.Inconclusive, "nobody read after the %s", change)
	case first == nil && last.Return-changed.Return < int64(heldWatch/2):
		return outcome.New(outcome.Inconclusive, "the last look was %s after the %s: too early", seconds(last.Return-changed.Return), change)
	case first == nil:
		return outcome.New(outcome.Uninterrupted, "the descriptor showed the old contents until the end, %s after the %s", seconds(last.Return-changed.Return), change).
			From("client2").In("history.jsonl")
	case first.Errno == "ESTALE":
		return outcome.New(outcome.EStale, "ESTALE %s after the %s, though the file was open", seconds(first.Invoke-changed.Return), change).
			From("client2").In("history.jsonl")
	case first.Result != history.OK:
		return outcome.New(outcome.EIO, "%s %s after the %s, though the file was open", orHung(first.Errno), seconds(first.Invoke-changed.Return), change).
			From("client2").In("history.jsonl")
	default:
		return outcome.New(outcome.Corrupt, "the descriptor of the old file shows %q %s after the %s", shown(*first), seconds(first.Invoke-changed.Return), change).
			From("client2").In("history.jsonl")
	}
}
