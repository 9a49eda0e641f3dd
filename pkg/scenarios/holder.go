package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
)

const (
	// lockWait bounds one wait for a lock. It is past the longest pause between two
	// attempts of an NFSv4 client: 30 s, NFS4_LOCK_MAXTIMEOUT in fs/nfs/nfs4proc.c;
	// and of an NFSv3 client that misses the server's call: 30 s,
	// NLMCLNT_POLL_TIMEOUT in fs/lockd/clntproc.c.
	lockWait = 45 * time.Second
	// lockPause is between two attempts to get a lock that is taken.
	lockPause = 20 * time.Millisecond
	// closeTimeout bounds the close of what was held.
	closeTimeout = 10 * time.Second
	// meetWithin bounds how long a side that has the lock keeps it for the other to
	// ask for it too, and how long one that has given it back leaves it to the other:
	// one attempt, on machines that are very slow.
	meetWithin = 5 * time.Second
)

// errLockHangs says that a lock was not given within lockWait.
var errLockHangs = errors.New("the lock was not given in time")

// holder is one side that contends for a lock on a file that it has open.
type holder struct {
	c    *Cell
	v    *vantage
	file string
	kind string // posix, flock or ofd
	fd   int64
	seq  int64 // of what it wrote last
	// met counts how often either side had the lock when the other was told whether
	// it could have it.
	met      *atomic.Int32
	other    *holder
	answered chan struct{} // an attempt of this side was answered; holds one
	given    chan struct{} // this side was given the lock; holds one
	done     chan struct{} // closed when this side asks no more without waiting
	finish   sync.Once
}

// askNoMore says that this side is not to be waited for by meet and yield.
func (h *holder) askNoMore() { h.finish.Do(func() { close(h.done) }) }

// contend opens the file on both sides and lets them act at once. When one
// fails the other ends too.
func (b *Batch) contend(ctx context.Context, c *Cell, file, kind string, flags []proto.Flag, act func(ctx context.Context, h *holder) error) (err error) {
	var holders []*holder
	var met atomic.Int32
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, atOnce(len(holders), func(i int) error { return holders[i].v.closeFD(last, holders[i].fd) }))
	}()
	for _, side := range b.sides() {
		t, err := side.must(ctx, proto.Request{Op: proto.OpOpen, Path: c.mountPoint() + "/" + file, Flags: flags})
		if err != nil {
			return err
		}
		holders = append(holders, &holder{
			c: c, v: side, file: file, kind: kind, fd: t.FD,
			met: &met, answered: make(chan struct{}, 1), given: make(chan struct{}, 1), done: make(chan struct{}),
		})
	}
	for i, h := range holders {
		h.other = holders[len(holders)-1-i]
	}
	together, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return atOnce(len(holders), func(i int) error {
		defer holders[i].askNoMore()
		err := act(together, holders[i])
		if err != nil {
			cancel(err)
		}
		return err
	})
}

// hold takes the lock, acts, and gives the lock back; what act returned is told
// how that went.
func (h *holder) hold(ctx context.Context, take func(context.Context) error, act func(context.Context) (func(agent.Timed, error), error)) error {
	if err := take(ctx); err != nil {
		return err
	}
	signal(h.given)
	ended, err := act(ctx)
	if err != nil {
		return err
	}
	unlock, err := h.release(ctx)
	ended(unlock, err)
	return err
}

// endWithUnlock returns what notes an operation that ends with the unlock.
func (h *holder) endWithUnlock(op history.Op) func(agent.Timed, error) {
	return func(unlock agent.Timed, err error) {
		op.Return, op.OuterReturn = unlock.T1, unlock.Returned
		if err != nil {
			op.Return, op.OuterReturn, op.Result = 0, 0, history.Unknown
		}
		h.c.op(h.v.machine, op)
	}
}

// wait waits for the lock in the kernel, as F_SETLKW and flock do.
func (h *holder) wait(ctx context.Context) error {
	t, err := h.ask(ctx, true)
	if err != nil {
		return err
	}
	h.note(t, history.ModeWaiting)
	return h.refusal(t)
}

// retry asks for the lock until it is given, as programs do that must not hang.
// The operation is from the first attempt to the one that succeeded.
func (h *holder) retry(ctx context.Context) error {
	first, err := h.ask(ctx, false)
	for t := first; err == nil; t, err = h.ask(ctx, false) {
		if !refused(t) {
			t.T0, t.Invoked = first.T0, first.Invoked
			h.note(t, history.ModeRetried)
			return h.refusal(t)
		}
		if err := mono.Sleep(ctx, lockPause); err != nil {
			return err
		}
	}
	return err
}

// refused reports whether the lock was somebody else's; fcntl(2) allows either
// error.
func refused(t agent.Timed) bool { return t.Errno == "EAGAIN" || t.Errno == "EACCES" }

func (h *holder) ask(ctx context.Context, wait bool) (agent.Timed, error) {
	drain(h.other.given) // what it was given before this side was is not its next turn
	t, err := h.v.do(ctx, h.request(proto.Lock{Kind: h.kind, Type: "write", Wait: wait}))
	signal(h.answered)
	return t, err
}

// signal says that something has happened to whoever looks, once for all times
// since the last look.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // nobody has looked since the last time
	}
}

// drain forgets what has happened so far.
func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// meet keeps the lock until the other side has asked for it, whatever it was
// told: two sides that are never in each other's way show nothing. A side that
// asks no more is not waited for.
func (h *holder) meet(ctx context.Context) error {
	drain(h.other.answered) // what was answered before this side had the lock does not count
	asked, err := h.awaitOther(ctx, h.other.answered)
	if asked {
		h.met.Add(1)
	}
	return err
}

// yield leaves the lock that was given back to the other side, until that has
// been given it: the side whose machine is faster would have it all the time.
func (h *holder) yield(ctx context.Context) error {
	_, err := h.awaitOther(ctx, h.other.given)
	return err
}

// awaitOther waits for what the other side signals, and reports whether it did,
// within meetWithin, before it asks no more and before ctx ends.
func (h *holder) awaitOther(ctx context.Context, what chan struct{}) (bool, error) {
	limit := time.NewTimer(meetWithin)
	defer limit.Stop()
	select {
	case <-what:
		return true, nil
	case <-h.other.done:
		return false, nil
	case <-limit.C:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// request is one lock operation, in order with all else that the holder does.
func (h *holder) request(l proto.Lock) proto.Request {
	return proto.Request{Op: proto.OpLock, Lane: h.lane(), FD: h.fd, TimeoutMS: lockWait.Milliseconds(), Lock: &l}
}

// lane orders a holder's requests in the agent.
func (h *holder) lane() string { return h.c.Key + h.file }

// The lanes of a holder in the history: it reads and writes while it holds a
// lock, and its last write ends with the unlock.
func (h *holder) lockLane() string { return h.file + "/lock" }
func (h *holder) dataLane() string { return h.file + "/data" }

// note notes an attempt that came to its end.
func (h *holder) note(t agent.Timed, mode string) {
	op := timedOp(t, history.Op{Client: h.v.machine, Lane: h.lockLane(), Func: history.Lock, File: h.file, Mode: mode, Result: history.OK})
	switch {
	case t.Hung:
		op.Result = history.Unknown
	case !t.OK():
		op.Result = history.Fail
	}
	h.c.op(h.v.machine, op)
}

func (h *holder) refusal(t agent.Timed) error {
	switch {
	case t.Hung:
		return errLockHangs
	case !t.OK():
		return fmt.Errorf("lock %s on %s: %s", h.file, h.v.machine, orHung(t.Errno))
	}
	return nil
}

// release gives the lock back.
func (h *holder) release(ctx context.Context) (agent.Timed, error) {
	t, err := h.v.do(ctx, h.request(proto.Lock{Kind: h.kind, Type: "unlock"}))
	if err != nil {
		return t, err
	}
	h.c.op(h.v.machine, timedOp(t, history.Op{Client: h.v.machine, Lane: h.lockLane(), Func: history.Unlock, File: h.file, Result: writeResult(t.Response)}))
	if !t.OK() {
		err = fmt.Errorf("unlock %s on %s: %s", h.file, h.v.machine, orHung(t.Errno))
	}
	return t, err
}
