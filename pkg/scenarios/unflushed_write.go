package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/rundir"
)

const (
	// writeWatch is how long data that nobody flushed is waited for. Dirty pages
	// leave by themselves when they are 30 s old, and every 5 s the kernel looks
	// for such (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs).
	writeWatch = 40 * time.Second
	// flushedWatch is how long flushed data is waited for: longer than a reader
	// with nocto trusts its attributes.
	flushedWatch = 15 * time.Second
	// writeEvery is from look to look of the second client and of the disk: four
	// files of every profile are looked at, at once. wireEvery is that of the wire,
	// whose looks take connections of their own.
	writeEvery = 250 * time.Millisecond
	wireEvery  = 2 * time.Second
	// modeUnflushed is the mode whose writer flushes nothing.
	modeUnflushed = "unflushed"
)

// unflushedModes are the ways of writing.
func unflushedModes() []readerMode {
	return []readerMode{
		{name: modeUnflushed, write: unflushed()},
		{name: "fsync", write: byFsync()},
		{name: "osync", write: byOSync()},
		{name: "odirect", write: byDirect()},
	}
}

func unflushedWrite() Scenario {
	s := Scenario{
		Name: "unflushed-write", Family: FamilyNFS, Quiet: true, Estimate: 55 * time.Second,
		Doc:     "A writes and closes nothing: without a flush, with fsync, O_SYNC or O_DIRECT; B opens and reads, the wire and the server's disk look",
		Decides: "when does anyone else see it, in ms after the write returned",
		Drive:   driveUnflushedWrite,
		Judge:   judgeUnflushedWrite,
	}
	for _, m := range unflushedModes() {
		s.Modes = append(s.Modes, m.name)
	}
	return s
}

func driveUnflushedWrite(ctx context.Context, b *Batch) error {
	modes := unflushedModes()
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "write without closing while others look", func(ctx context.Context, c *Cell) error {
			return atOnce(len(modes), func(i int) error { return b.unflushedMode(ctx, c, modes[i]) })
		})
	})
}

// unflushedMode writes one version, whole and closed, and another into the open
// file, and waits until everyone has seen that.
func (b *Batch) unflushedMode(ctx context.Context, c *Cell, m readerMode) error {
	first := c.versions(b.on(b.Target), m.name, byClose())
	if err := first.next(ctx); err != nil {
		return err
	}
	w := c.versions(b.on(b.Target), m.name, m.write)
	w.n = first.n
	if err := w.open(ctx); err != nil {
		return err
	}
	looks, err := b.unflushedLooks(ctx, c, m.name)
	if err == nil {
		err = w.next(ctx)
	}
	if err == nil {
		limit := flushedWatch
		if m.name == modeUnflushed {
			limit = writeWatch
		}
		err = b.awaitSight(ctx, c, looks, w.latest(), limit)
	}
	for _, look := range looks {
		err = errors.Join(err, look.end(ctx))
	}
	return errors.Join(err, w.close(ctx), w.truth(ctx, b.on(b.server())))
}

// unflushedLooks lets the second client and the server's disk look at a file.
func (b *Batch) unflushedLooks(ctx context.Context, c *Cell, file string) ([]*watch, error) {
	var looks []*watch
	for _, l := range []struct {
		at       *vantage
		path, as string
	}{
		{b.on(b.Other), "", ""},
		{b.on(b.server()), c.Export.Path + "/" + file, history.ClientDisk},
	} {
		look, err := c.watch(ctx, l.at, watchSpec{
			file: file, path: l.path, as: l.as, poll: proto.PollReopen, mode: history.ModeReopen, every: writeEvery,
		})
		if err != nil {
			return looks, err
		}
		looks = append(looks, look)
		if err := look.awaitAny(ctx); err != nil {
			return looks, err
		}
	}
	return looks, nil
}

// awaitSight waits until the watches and the wire have seen the token.
func (b *Batch) awaitSight(ctx context.Context, c *Cell, looks []*watch, token string, limit time.Duration) error {
	waits := []func() error{func() error { return b.wireUntil(ctx, c, looks[0].spec.file, token, limit) }}
	for _, look := range looks {
		waits = append(waits, func() error {
			_, err := look.awaitShown(ctx, token, limit)
			return err
		})
	}
	return atOnce(len(waits), func(i int) error { return waits[i]() })
}

// wireUntil reads a register with the client that caches nothing until it
// shows the token, at most as long as limit.
func (b *Batch) wireUntil(ctx context.Context, c *Cell, file, token string, limit time.Duration) error {
	node, err := b.node(ctx, b.server())
	if err != nil {
		return err
	}
	wire := nfs.Observer{Dial: node.Dial, Host: "127.0.0.1"}
	until := time.Now().Add(limit)
	for {
		op := history.Op{Client: history.ClientWire, Lane: "look " + file, Func: history.Read, File: file, Mode: history.ModeReopen, Result: history.Fail, OuterInvoke: agent.Mono()}
		stop := waiting(ctx)
		data, _, err := wire.ReadFile(ctx, c.Export.Path, file, registerSize)
		stop()
		op.OuterReturn = agent.Mono()
		op.Invoke, op.Return = op.OuterInvoke, op.OuterReturn
		if err != nil {
			c.observe("", rundir.Observation{T: op.Return, Source: history.ClientWire, Event: "read-failed", Subject: file, Detail: err.Error()})
		} else {
			op.Result, op.Size = history.OK, int64(len(data))
			op.Value, op.Kind = decoded(payload.Decode(data))
		}
		c.op("", op)
		if op.Value == token || time.Now().After(until) {
			return ctx.Err()
		}
		if err := quiet(ctx, wireEvery); err != nil {
			return err
		}
	}
}

func judgeUnflushedWrite(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	for _, m := range unflushedModes() {
		// What was written and not closed is nobody's yet: only the lag is judged,
		// what may not happen at all, and that the last close kept everything.
		mode := judgeMode(e, m.name, consistency.CloseToOpen, consistency.Untorn, consistency.Durable)
		mode.Outcomes = slices.DeleteFunc(mode.Outcomes, func(o outcome.Outcome) bool { return o.Word == outcome.CloseToOpen })
		lag, notes := judgeSight(opsOf(e.Ops, m.name))
		mode.Outcomes = append(mode.Outcomes, lag...)
		mode.Notes = append(mode.Notes, notes...)
		j.Modes = append(j.Modes, withEnough(e, mode, 2))
	}
	return j
}

// sightOf is when one vantage point saw the last version of a file.
type sightOf struct {
	as      string
	looks   int         // that returned after the write
	stale   *history.Op // the last look that saw an older version, begun after the write had returned
	fresh   *history.Op // the first look that saw the version, before the writer's close
	blinded string      // errno of the last look that failed
}

// judgeSight says how long after the last write had returned each vantage point
// went on not seeing it.
func judgeSight(ops []history.Op) (outcomes []outcome.Outcome, notes []string) {
	var write, closed *history.Op
	for i := range ops {
		switch op := &ops[i]; op.Func {
		case history.Write:
			if write == nil || op.Invoke > write.Invoke {
				write = op
			}
		case history.Close:
			closed = op
		}
	}
	if write == nil || closed == nil || write.Result != history.OK {
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "no write was followed by a close")}, nil
	}
	var worst *outcome.Figure
	var late, never []string
	for _, as := range []string{"", history.ClientWire, history.ClientDisk} {
		s := sight(ops, as, write, closed)
		name := vantageWord(as)
		switch {
		case s.looks == 0:
			outcomes = append(outcomes, outcome.New(outcome.Inconclusive, "%s did not look between the write and the close %s", name, s.blinded))
		case s.stale == nil:
			notes = append(notes, fmt.Sprintf("%s saw it at the first look after the write", name))
		default:
			f := outcome.Millis(float64(s.stale.Invoke-write.Return)/1e6, float64(s.stale.ErrNS+write.ErrNS)/1e6)
			f.More = s.fresh == nil
			notes = append(notes, fmt.Sprintf("%s did not see it for %s", name, f.Detail()))
			if f.More {
				never = append(never, name)
			} else {
				late = append(late, name)
			}
			if worst == nil || f.Value > worst.Value {
				worst = f
			}
		}
	}
	switch {
	case len(never) > 0:
		outcomes = append(outcomes, outcome.New(outcome.UnboundedStale, "what %s wrote and did not flush was not seen by %s before it was closed, %s later",
			write.Client, strings.Join(never, ", "), seconds(closed.Invoke-write.Return)).From(never...).In("history.jsonl"))
	case len(late) > 0:
		outcomes = append(outcomes, outcome.New(outcome.BoundedStale, "what %s wrote was not seen by %s at once", write.Client, strings.Join(late, ", ")).
			WithFigure(worst).From(late...).In("history.jsonl"))
	case len(outcomes) == 0:
		outcomes = append(outcomes, outcome.New(outcome.Linearizable, "every look after the write saw it, by the second client, the wire and the disk").
			From(vantageWord(""), history.ClientWire, history.ClientDisk).In("history.jsonl"))
	}
	return outcomes, notes
}

// vantageWord names a vantage point as outcomes do; empty is the second client.
func vantageWord(as string) string {
	if as == "" {
		return "client2"
	}
	return as
}

// sight goes through the looks of one vantage point between the write's return
// and the close.
func sight(ops []history.Op, as string, write, closed *history.Op) sightOf {
	s := sightOf{as: as}
	_, returned := write.Wide()
	for i := range ops {
		op := &ops[i]
		kernel := op.Client != history.ClientWire && op.Client != history.ClientDisk
		if op.Func != history.Read || op.Client != as && (as != "" || !kernel) || op.Return > closed.Invoke {
			continue
		}
		invoke, _ := op.Wide()
		switch {
		case op.Result != history.OK:
			s.blinded = op.Errno
		case op.Value == write.Value:
			s.looks++
			if s.fresh == nil || op.Invoke < s.fresh.Invoke {
				s.fresh = op
			}
		case invoke > returned:
			s.looks++
			if s.stale == nil || op.Invoke > s.stale.Invoke {
				s.stale = op
			}
		}
	}
	return s
}
