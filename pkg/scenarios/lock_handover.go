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
	// freeRounds is how often each side takes the lock while both ask as fast as
	// they can, and turnRounds how often while each asks again only when the other
	// side has had it.
	freeRounds = 6
	turnRounds = 6
	// lockWait bounds one wait for a lock. It is past the longest pause between
	// two attempts of an NFSv4 client: 30 s, NFS4_LOCK_MAXTIMEOUT in
	// fs/nfs/nfs4proc.c; and of an NFSv3 client that misses the server's call back:
	// 30 s, NLMCLNT_POLL_TIMEOUT in fs/lockd/clntproc.c.
	lockWait = 45 * time.Second
	// handoverTimeout bounds one kind of lock.
	handoverTimeout = 90 * time.Second
)

// lockKinds are the modes of lock-handover, named as the agent names them.
func lockKinds() []string { return []string{"posix", "flock", "ofd"} }

func lockHandover() Scenario {
	return Scenario{
		Name: "lock-handover", Family: FamilyNFS, Estimate: 60 * time.Second,
		Doc:     "fcntl, flock and open file description locks pass between A and B; whoever has the lock reads a register and rewrites it",
		Decides: "mutual exclusion, by when locks were held and by what was read under them; seconds from unlock to the other side's lock; what local_lock and nolock do to it",
		Modes:   lockKinds(),
		Drive:   driveLockHandover,
		Judge:   judgeLockHandover,
	}
}

func driveLockHandover(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "pass locks between both sides", func(ctx context.Context, c *Cell) error {
			for _, kind := range lockKinds() {
				if err := b.contend(ctx, c, kind); err != nil {
					return fmt.Errorf("lock %s: %w", kind, err)
				}
				if err := c.registerTruth(ctx, b.on(b.server()), c.Export.Path+"/"+kind, kind); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// contend lets both sides take one kind of lock in turn, first as it comes,
// then strictly one after the other. The file is named after the kind.
func (b *Batch) contend(ctx context.Context, c *Cell, kind string) (err error) {
	bounded, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	first := b.on(b.Target)
	path := c.mountPoint() + "/" + kind
	if err := c.writeRegister(ctx, first, path, kind, "first", proto.WRONLY, proto.CREAT, proto.TRUNC); err != nil {
		return err
	}
	var holders []*holder
	defer func() {
		err = errors.Join(err, atOnce(len(holders), func(i int) error {
			return holders[i].v.closeFD(context.WithoutCancel(ctx), holders[i].fd)
		}))
	}()
	for _, side := range b.sides() {
		t, err := side.must(bounded, proto.Request{Op: proto.OpOpen, Path: path, Flags: []proto.Flag{proto.RDWR}})
		if err != nil {
			return err
		}
		holders = append(holders, &holder{c: c, v: side, file: kind, kind: kind, fd: t.FD, got: make(chan struct{}, turnRounds)})
	}
	// A lock that is not handed over in time is for the judge to see.
	if err := takeTurns(bounded, holders); err != nil && bounded.Err() == nil && !errors.Is(err, errLockHangs) {
		return err
	}
	return nil
}

// errLockHangs says that a lock was not given within lockWait.
var errLockHangs = errors.New("the lock was not given in time")

// takeTurns lets all holders contend for their lock, and ends all when one
// fails.
func takeTurns(ctx context.Context, holders []*holder) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return atOnce(len(holders), func(i int) error {
		err := holders[i].contend(ctx, holders[(i+1)%len(holders)])
		if err != nil {
			cancel(err)
		}
		return err
	})
}

// holder is one side that contends for a lock.
type holder struct {
	c    *Cell
	v    *vantage
	file string
	kind string // posix, flock or ofd
	fd   int64
	seq  int64
	got  chan struct{} // one for every time that it got the lock in turn
}

func (h *holder) contend(ctx context.Context, other *holder) error {
	for range freeRounds {
		if err := h.round(ctx, func() {}); err != nil {
			return err
		}
	}
	for range turnRounds {
		if err := h.round(ctx, func() { h.got <- struct{}{} }); err != nil {
			return err
		}
		select {
		case <-other.got:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// round takes the lock, reads the register, rewrites it and gives the lock
// back. The write is on the server when the unlock has returned (fs/nfs/file.c
// do_unlk flushes), so that is where its operation ends.
func (h *holder) round(ctx context.Context, got func()) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	got()
	read, err := h.v.do(ctx, proto.Request{Op: proto.OpReadRecord, Lane: h.lane(), FD: h.fd})
	if err != nil {
		return err
	}
	op := timedOp(read, history.Op{Client: h.v.machine, Lane: dataLane, Func: history.Read, File: h.file, Mode: history.ModeLocked})
	setRead(&op, read.Response)
	h.c.op(h.v.machine, op)

	h.seq++
	token := fmt.Sprintf("%s-%d", h.v.machine, h.seq)
	write, err := h.v.do(ctx, proto.Request{Op: proto.OpWriteRecord, Lane: h.lane(), FD: h.fd, Token: token, Seq: h.seq, Size: registerSize})
	if err != nil {
		return err
	}
	unlock, unlockErr := h.release(ctx)
	op = timedOp(write, history.Op{
		Client: h.v.machine, Lane: dataLane, Func: history.Write, File: h.file, Mode: history.ModeLocked,
		Value: token, Size: registerSize, Result: writeResult(write.Response),
	})
	op.Return, op.OuterReturn = unlock.T1, unlock.Returned
	if unlockErr != nil {
		op.Return, op.OuterReturn, op.Result = 0, 0, history.Unknown
	}
	h.c.op(h.v.machine, op)
	return unlockErr
}

// release gives the lock back.
func (h *holder) release(ctx context.Context) (agent.Timed, error) {
	t, err := h.v.do(ctx, h.lockRequest("unlock"))
	if err != nil {
		return t, err
	}
	h.c.op(h.v.machine, timedOp(t, history.Op{Client: h.v.machine, Lane: lockLane, Func: history.Unlock, File: h.file, Result: writeResult(t.Response)}))
	if !t.OK() {
		return t, fmt.Errorf("unlock %s on %s: %s", h.file, h.v.machine, orHung(t.Errno))
	}
	return t, nil
}

// The lanes of a holder in the history: it reads and writes while it holds a
// lock, and its last write ends with the unlock.
const (
	lockLane = "lock"
	dataLane = "data"
)

// lane orders a holder's requests in the agent.
func (h *holder) lane() string { return h.c.Key + h.file }

func (h *holder) lockRequest(how string) proto.Request {
	return proto.Request{
		Op: proto.OpLock, Lane: h.lane(), FD: h.fd, TimeoutMS: lockWait.Milliseconds(),
		Lock: &proto.Lock{Kind: h.kind, Type: how, Wait: how != "unlock"},
	}
}

// take waits for the lock in the kernel, as F_SETLKW and flock do.
func (h *holder) take(ctx context.Context) error {
	t, err := h.v.do(ctx, h.lockRequest("write"))
	if err != nil {
		return err
	}
	op := timedOp(t, history.Op{Client: h.v.machine, Lane: lockLane, Func: history.Lock, File: h.file, Errno: t.Errno, Result: history.OK})
	switch {
	case t.Hung:
		op.Result = history.Unknown
	case !t.OK():
		op.Result = history.Fail
	}
	h.c.op(h.v.machine, op)
	switch {
	case t.Hung:
		return errLockHangs
	case !t.OK():
		return fmt.Errorf("lock %s on %s: %s", h.file, h.v.machine, orHung(t.Errno))
	}
	return nil
}
