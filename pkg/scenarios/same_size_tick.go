package scenarios

import (
	"cmp"
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
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// tickTime is for how long bursts of writes are tried, in each cell: the
	// window is a tick of the server's clock, 4 ms at CONFIG_HZ=250 (fs/inode.c
	// current_time, before the multigrain timestamps of Linux 6.13).
	// Where versions are told apart by more than the clock there is no window, and
	// less time will do. What is certain is same-size-second's to show.
	tickTime      = 500 * time.Millisecond
	tickTimeClock = time.Second
	// tickLanes writers at once make tickBurst versions: the server takes them
	// closer to each other than one writer, who waits for its disk, could send
	// them; and the reader is still busy with the last change when the next comes.
	tickLanes = 4
	tickBurst = 3 * tickLanes
	// tickSize is the size of a version in bytes: within one page, since a READ of
	// two may show one of each, and the reader then keeps that mix for good.
	tickSize = 2048
	// tickSuspect is after how long a reader that opens the file over and over
	// and has not seen the last version is watched for good.
	tickSuspect = 150 * time.Millisecond
	// tickWatch is for how long, in a quick run; in a full one staleDeadline is.
	tickWatch = 8 * time.Second
	// tickWatchEvery is how often that reader opens the file.
	tickWatchEvery = 100 * time.Millisecond
	// tickBursts is how many bursts there must be before it counts that the
	// reader missed none.
	tickBursts = 3
)

// sameSizeTick writes versions of one size close to each other while the other
// side re-opens without a pause, again and again, until the reader misses the
// last of them. Cells take turns: it needs the machines for itself.
func (b *Batch) sameSizeTick(ctx context.Context, c *Cell, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w := &burst{}
	how := byDirect()
	how.size = tickSize
	for lane := range tickLanes {
		v := c.versions(b.on(b.Target), modeSameSizeTick, how)
		v.name = fmt.Sprintf("%s %d", modeSameSizeTick, lane)
		w.lanes = append(w.lanes, v)
	}
	fresh, err := b.tickBursts(ctx, c, w)
	<-turn
	if err == nil && !fresh {
		err = b.tickStale(ctx, c)
	}
	for _, v := range w.lanes {
		err = errors.Join(err, v.close(ctx))
	}
	return errors.Join(err, w.lanes[0].truth(ctx, b.on(b.server())))
}

// tickLook is how the reader re-opens.
func tickLook(every time.Duration) watchSpec {
	return watchSpec{file: modeSameSizeTick, poll: proto.PollReopen, mode: history.ModeReopen, every: every}
}

// tickBursts makes bursts of writes until the reader misses the last of one;
// fresh is false then.
func (b *Batch) tickBursts(ctx context.Context, c *Cell, w *burst) (fresh bool, err error) {
	if err := w.write(ctx, 1); err != nil {
		return true, err
	}
	look, err := c.watch(ctx, b.on(b.Other), tickLook(0))
	if err != nil {
		return true, err
	}
	err = look.awaitAny(ctx)
	fresh = true
	limit := tickTime
	if strings.Contains(c.Profile.Options, "vers=3") {
		limit = tickTimeClock
	}
	began := time.Now()
	for bursts := 0; err == nil && fresh && (bursts < tickBursts || time.Since(began) < limit); bursts++ {
		if err = w.write(ctx, tickBurst); err != nil {
			break
		}
		var last string
		if last, err = b.onDisk(ctx, c, modeSameSizeTick); err == nil {
			fresh, err = look.awaitShown(ctx, last, tickSuspect)
		}
	}
	return fresh, errors.Join(err, look.end(ctx))
}

// onDisk notes a look at a register on the server's disk and returns its token.
func (b *Batch) onDisk(ctx context.Context, c *Cell, file string) (string, error) {
	server := b.on(b.server())
	t, err := server.must(ctx, proto.Request{Op: proto.OpReadFile, Lane: c.Key, Path: c.Export.Path + "/" + file, Decode: "register"})
	if err != nil {
		return "", err
	}
	op := timedOp(t, history.Op{Client: history.ClientDisk, Lane: "look " + file, Func: history.Read, File: file, Mode: history.ModeReopen})
	setRead(&op, t.Response)
	c.op(server.machine, op)
	return op.Value, nil
}

// burst is several writers of one file at once.
type burst struct {
	lanes []*versions
	n     int // versions begun so far
}

// write writes n versions, spread over the lanes, and notes them. Which of them
// comes last is the server's to say.
func (w *burst) write(ctx context.Context, n int) error {
	for _, v := range w.lanes {
		if err := v.open(ctx); err != nil {
			return err
		}
	}
	first := w.n + 1
	w.n += n
	done := make([]agent.Timed, n)
	// All are on their way before the first is answered; a lane keeps its own
	// apart.
	err := atOnce(n, func(i int) (err error) {
		v := w.lanes[i%len(w.lanes)]
		done[i], err = v.at.do(ctx, v.request(first+i))
		return err
	})
	if err != nil {
		return err
	}
	for i, t := range done {
		err = errors.Join(err, w.lanes[i%len(w.lanes)].note(t, first+i))
	}
	return err
}

// tickStale re-opens at leisure until the reader is fresh, or it is clear that
// it will not be.
func (b *Batch) tickStale(ctx context.Context, c *Cell) error {
	last, err := b.onDisk(ctx, c, modeSameSizeTick)
	if err != nil {
		return err
	}
	look, err := c.watch(ctx, b.on(b.Other), tickLook(tickWatchEvery))
	if err != nil {
		return err
	}
	_, err = look.awaitShown(ctx, last, b.watchFor(tickWatch))
	return errors.Join(err, look.end(ctx))
}

// judgeSameSizeTick judges the bursts. Their writes overlap, so that the models
// alone cannot say which came last: the disk settles it.
func judgeSameSizeTick(e *Evidence) Mode {
	m := judgeRegister(e, modeSameSizeTick, 2)
	ops := opsOf(e.Ops, modeSameSizeTick)
	if o, stale := settledStaleness(ops); stale {
		m.Outcomes = append(judgeMode(e, modeSameSizeTick, consistency.Untorn, consistency.Durable).Outcomes, o)
		return m
	}
	missed, bursts := tickMissed(ops)
	m.Notes = append(m.Notes, fmt.Sprintf("%d bursts of writes; in %d the reader saw a version before the last", bursts, missed))
	if bursts < tickBursts || missed == 0 {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "%d bursts of writes, and the reader came between the writes of %d of them", bursts, missed).In("history.jsonl"))
	}
	return m
}

// settledStaleness says whether a client went on reading another version than
// the one on the disk after all writes had returned, and for how long.
func settledStaleness(ops []history.Op) (outcome.Outcome, bool) {
	var truth, stale, last *history.Op
	returned, mapped := int64(0), int64(0)
	for i := range ops {
		switch op := &ops[i]; op.Func {
		case history.Truth:
			truth = op
		case history.Write:
			_, ret := op.Wide()
			returned, mapped = max(returned, ret), max(mapped, op.Return)
		}
	}
	for i := range ops {
		op := &ops[i]
		if invoke, _ := op.Wide(); op.Func != history.Read || op.Client == history.ClientDisk || op.Result != history.OK || invoke <= returned {
			continue
		}
		if last == nil || op.Invoke > last.Invoke {
			last = op
		}
		if truth != nil && op.Value != truth.Value && (stale == nil || op.Invoke > stale.Invoke) {
			stale = op
		}
	}
	if stale == nil || returned == history.Forever {
		return outcome.Outcome{}, false
	}
	f := outcome.Millis(float64(stale.Invoke-mapped)/1e6, float64(stale.ErrNS)/1e6)
	f.More = stale == last
	o := outcome.New(outcome.BoundedStale, "%s after the last write had returned, %s opened the file and read %q, while the disk had %q",
		seconds(stale.Invoke-mapped), stale.Client, stale.Value, truth.Value).WithFigure(f)
	if f.More {
		o = outcome.New(outcome.UnboundedStale, "%s; it was never fresh", o.Evidence)
	}
	return o.From("client2", history.ClientDisk).In("history.jsonl"), true
}

// tickMissed counts the bursts, each of which a look at the disk ended, and
// those of which a client saw another version than the last.
func tickMissed(ops []history.Op) (missed, bursts int) {
	sorted := slices.Clone(ops)
	slices.SortStableFunc(sorted, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	written := map[string]bool{} // versions of the burst
	for _, op := range sorted {
		switch {
		case op.Func == history.Write:
			written[op.Value] = true
		case op.Func == history.Read && op.Client == history.ClientDisk && len(written) > 1:
			bursts++
			delete(written, op.Value)
			if slices.ContainsFunc(ops, func(op history.Op) bool { return op.Func == history.Read && written[op.Value] }) {
				missed++
			}
			clear(written)
		}
	}
	return missed, bursts
}
