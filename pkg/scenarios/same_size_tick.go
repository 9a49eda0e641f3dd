package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// tickAttempts is how often two writes are tried at most, and tickTime how
	// long: the window is a tick of the server's clock, 4 ms at CONFIG_HZ=250
	// (fs/inode.c current_time, before the multigrain timestamps of Linux 6.13).
	tickAttempts = 40
	tickTime     = time.Second
	// tickSuspect is after how long a reader that opens the file over and over
	// and has not seen the last version is watched for good.
	tickSuspect = 150 * time.Millisecond
	// tickWatch is for how long, in a quick run; in a full one staleDeadline is.
	tickWatch = 8 * time.Second
	// tickWatchEvery is how often that reader opens the file.
	tickWatchEvery = 100 * time.Millisecond
	// tickPairs is how many pairs of writes there must be.
	tickPairs = 5
	// tickSize is the size of a version in bytes: within one page, since a READ of
	// two may show one of each, and the reader then keeps that mix for good.
	tickSize = 2048
)

// sameSizeTick writes two versions of one size right after each other while
// the other side re-opens without a pause, again and again, until the reader
// misses the second. Cells take turns: it needs the machines for itself.
func (b *Batch) sameSizeTick(ctx context.Context, c *Cell, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	how := byFsync
	how.size = tickSize
	w := c.versions(b.on(b.Target), modeSameSizeTick, how)
	fresh, err := b.tickPairs(ctx, c, w)
	<-turn
	if err == nil && !fresh {
		err = b.tickStale(ctx, c, w)
	}
	return errors.Join(err, w.close(ctx), w.truth(ctx, b.on(b.server())))
}

// tickLook is how the reader re-opens.
func tickLook(every time.Duration) watchSpec {
	return watchSpec{file: modeSameSizeTick, poll: proto.PollReopen, mode: history.ModeReopen, every: every}
}

// tickPairs makes pairs of writes until the reader misses the last one of a
// pair; fresh is false then.
func (b *Batch) tickPairs(ctx context.Context, c *Cell, w *versions) (fresh bool, err error) {
	if err := w.next(ctx); err != nil {
		return true, err
	}
	look, err := c.watch(ctx, b.on(b.Other), tickLook(0))
	if err != nil {
		return true, err
	}
	err = look.awaitAny(ctx, firstLook)
	fresh = true
	for began := time.Now(); err == nil && fresh && w.n < 2*tickAttempts && time.Since(began) < tickTime; {
		var last string
		if last, err = w.pair(ctx); err == nil {
			fresh, err = look.awaitShown(ctx, last, tickSuspect)
		}
	}
	return fresh, errors.Join(err, look.end(ctx))
}

// pair writes two versions right after each other and returns the token of the
// one written last.
func (w *versions) pair(ctx context.Context) (last string, err error) {
	var done [2]agent.Timed
	// Both requests are on their way before the first is answered; the lane keeps
	// them apart.
	err = atOnce(len(done), func(i int) (err error) {
		done[i], err = w.at.do(ctx, w.request(w.n+1+i))
		return err
	})
	if err != nil {
		return "", err
	}
	first := w.n + 1
	w.n += len(done)
	last = versionToken(first)
	if done[1].T0 > done[0].T0 {
		last = versionToken(first + 1)
	}
	for i, t := range done {
		err = errors.Join(err, w.note(t, first+i))
	}
	return last, err
}

// tickStale re-opens at leisure until the reader is fresh, or it is clear that
// it will not be.
func (b *Batch) tickStale(ctx context.Context, c *Cell, w *versions) error {
	truth, err := b.on(b.server()).must(ctx, proto.Request{Op: proto.OpReadFile, Path: c.Export.Path + "/" + w.file, Decode: "register"})
	if err != nil {
		return err
	}
	if truth.Value == nil {
		return fmt.Errorf("%s on the server's disk cannot be decoded", w.file)
	}
	look, err := c.watch(ctx, b.on(b.Other), tickLook(tickWatchEvery))
	if err != nil {
		return err
	}
	_, err = look.awaitShown(ctx, truth.Value.Token, b.watchFor(tickWatch))
	return errors.Join(err, look.end(ctx))
}

// judgeSameSizeTick judges the pairs. How many of them the reader came between,
// which is what it takes, is noted.
func judgeSameSizeTick(e *Evidence) Mode {
	m := judgeRegister(e, modeSameSizeTick, 2*tickPairs+1)
	between, pairs := tickBetween(opsOf(e.Ops, modeSameSizeTick))
	m.Notes = append(m.Notes, fmt.Sprintf("%d pairs of writes, the reader saw the first of %d", pairs, between))
	if between == 0 {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "no read came between the two writes of any of %d pairs", pairs).In("history.jsonl"))
	}
	return m
}

// tickBetween counts the pairs of writes, and those whose first was read.
func tickBetween(ops []history.Op) (between, pairs int) {
	read := map[string]bool{}
	var writes []*history.Op
	for i := range ops {
		switch op := &ops[i]; {
		case op.Func == history.Read:
			read[op.Value] = true
		case isWrite(op):
			writes = append(writes, op)
		}
	}
	// The two of a pair are asked for at once: which comes first is chance.
	slices.SortFunc(writes, func(a, b *history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	for i := 1; i+1 < len(writes); i += 2 {
		pairs++
		if read[writes[i].Value] {
			between++
		}
	}
	return between, pairs
}
