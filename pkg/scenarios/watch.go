package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// watchSpec says how one path is looked at, again and again, and what its
// looks are called in the history.
type watchSpec struct {
	file  string        // of the operations
	path  string        // that is looked at; empty is file below the cell's mount point
	as    string        // client of the operations; empty is the machine
	poll  string        // one of proto's Poll constants
	mode  string        // mode of the operations
	every time.Duration // from look to look: the resolution of what is measured; 0 is without a pause
	name  string        // PollReaddir: the name looked for
	// shows says what a look without an error saw; nil takes it for a register.
	shows func(ev proto.Event) (value, kind string)
}

// watch is a look that goes on. Every change is noted by the last look that
// saw the old and the first that saw the new: together they hold the whole
// window of staleness.
type watch struct {
	*follower
	cell *Cell
	at   *vantage
	spec watchSpec
	last history.Op // what was seen last, without times; under the follower's lock
}

// watch starts to look at a path on v.
func (c *Cell) watch(ctx context.Context, v *vantage, spec watchSpec) (*watch, error) {
	if spec.path == "" {
		spec.path = c.mountPoint() + "/" + spec.file
	}
	if spec.as == "" {
		spec.as = v.machine
	}
	decode := "none"
	if spec.shows == nil {
		decode, spec.shows = "register", registerShown
	}
	start := proto.StreamSpec{
		Kind: proto.Poller, Path: spec.path, Mode: spec.poll, Decode: decode, Name: spec.name,
		IntervalUS: spec.every.Microseconds(), ChangesOnly: true,
	}
	s, err := v.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &start})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", spec.file, err)
	}
	w := &watch{cell: c, at: v, spec: spec}
	w.follower = follow(s, w.event)
	w.name = noteStream(ctx, v.client, s.ID(), pollStep(v.machine, start))
	return w, nil
}

// registerShown takes what was read for a register.
func registerShown(ev proto.Event) (value, kind string) {
	if ev.Value == nil {
		return "", history.KindGarbage
	}
	return decoded(*ev.Value)
}

// event notes a look that saw something else than the one before it.
func (w *watch) event(f *follower, ev proto.Event) {
	if ev.Hung {
		return // the look is noted when it returns
	}
	if ev.Prev != nil {
		w.noteLast(*ev.Prev)
	}
	op := history.Op{Client: w.spec.as, Lane: "watch " + w.spec.file, Func: history.Read, File: w.spec.file, Mode: w.spec.mode, Result: history.OK}
	switch {
	case ev.Errno == "ENOENT":
		op.Kind = history.KindAbsent
	case ev.Errno != "":
		op.Result, op.Errno = history.Fail, ev.Errno
	default:
		op.Value, op.Kind = w.spec.shows(ev)
	}
	if ev.Stat != nil {
		op.Size, op.Mtime = ev.Stat.Size, ev.Stat.MtimeNS
	}
	w.last = op
	f.value = shown(op)
	op.Invoke, op.Return = ev.T0, ev.T1
	w.cell.op(w.at.machine, op)
}

// noteLast notes the last of several looks that saw the same; the first was
// noted by its own event.
func (w *watch) noteLast(run proto.Run) {
	if run.Count < 2 || w.last.Func == "" {
		return
	}
	op := w.last
	op.Invoke, op.Return = run.LastT0, run.LastT1
	w.cell.op(w.at.machine, op)
}

// shown is what a look saw, in one word: a token, a kind or an errno.
func shown(op history.Op) string {
	switch {
	case op.Errno != "":
		return op.Errno
	case op.Value != "" && (op.Kind == history.KindToken || op.Kind == ""):
		return op.Value
	default:
		return op.Kind
	}
}

// awaitShown waits until a look has seen what is wanted, at most as long as
// limit. That it was not seen is a result, no error.
func (w *watch) awaitShown(ctx context.Context, want string, limit time.Duration) (seen bool, err error) {
	return w.awaitWithin(ctx, limit, func(f *follower) bool { return f.value == want })
}

// awaitAny waits for the first look, at most as long as firstLook.
func (w *watch) awaitAny(ctx context.Context) error {
	seen, err := w.awaitWithin(ctx, firstLook, func(f *follower) bool { return f.value != "" })
	if err == nil && !seen {
		err = fmt.Errorf("no look at %s on %s within %s", w.spec.file, w.at.machine, firstLook)
	}
	return err
}

func (w *watch) awaitWithin(ctx context.Context, limit time.Duration, holds func(f *follower) bool) (bool, error) {
	defer waiting(ctx)()
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	end := begin(wait, rundir.Step{Do: rundir.DoAwait, Stream: w.name, Name: awaitChange, Count: 1})
	err := w.await(wait, w.spec.file, holds)
	end(err)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// end stops looking and notes the last look.
func (w *watch) end(ctx context.Context) error {
	end, err := w.stop(ctx)
	if err != nil {
		return fmt.Errorf("end the watch on %s: %w", w.spec.file, err)
	}
	w.cell.Trial.SetFact("looks "+w.spec.file+" "+w.spec.mode+" "+w.spec.as, end.OK+end.Failed)
	if end.Last != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.noteLast(*end.Last)
	}
	return nil
}

// watchFor is how long a reader that is stale is waited for: in a full run past
// every timeout.
func (b *Batch) watchFor(inQuick time.Duration) time.Duration {
	if b.Full {
		return staleDeadline
	}
	return inQuick
}

// quiet lets time pass while watches go on: how long a reader has looked
// without seeing a change is what is being varied.
func quiet(ctx context.Context, d time.Duration) error {
	defer waiting(ctx)()
	note(ctx, rundir.Step{Do: rundir.DoWait, WithinNS: d.Nanoseconds()})
	return mono.Sleep(ctx, d)
}
