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
	// retriedRounds is how often each side takes the lock by asking again and
	// again, keeps it until the other side has asked too, and leaves it to that:
	// more often, up to mostRetriedRounds, while that did not happen often enough.
	retriedRounds     = 5
	mostRetriedRounds = 4 * retriedRounds
	// leastMet is how often both sides are to meet: more often than the judge asks
	// for, whose intervals are wider.
	leastMet = leastAsked + 2
	// waitingRounds is how often each side takes the lock by waiting for it in the
	// kernel, in a quick run. A server that does not call back (Linux 6.7 to 6.12)
	// makes each of these hand-overs take 30 s.
	waitingRounds = 1
	// waitingRoundsFull is the same in a full run.
	waitingRoundsFull = 4
	// handoverTimeout bounds one kind of lock, but for the rounds of a full run.
	handoverTimeout = 2 * time.Minute
)

// lockKinds are the modes of lock-handover, named as the agent names them.
func lockKinds() []string { return []string{"posix", "flock", "ofd"} }

func lockHandover() Scenario {
	return Scenario{
		Name: "lock-handover", Family: FamilyNFS, Estimate: 90 * time.Second, FullEstimate: 6 * time.Minute,
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
			kinds := lockKinds()
			return atOnce(len(kinds), func(i int) error {
				if err := b.passLock(ctx, c, kinds[i]); err != nil {
					return fmt.Errorf("lock %s: %w", kinds[i], err)
				}
				return c.registerTruth(ctx, b.on(b.server()), c.Export.Path+"/"+kinds[i], kinds[i])
			})
		})
	})
}

// passLock lets both sides take one kind of lock in turn: first by asking
// again and again, then by waiting for it. The file is named after the kind.
func (b *Batch) passLock(ctx context.Context, c *Cell, kind string) error {
	waits := waitingRounds
	if b.Full {
		waits = waitingRoundsFull
	}
	err := c.writeRegister(ctx, b.on(b.Target), c.mountPoint()+"/"+kind, kind, "first", proto.WRONLY, proto.CREAT, proto.TRUNC)
	if err != nil {
		return err
	}
	taken := make(chan struct{}, waits)
	bounded, cancel := context.WithTimeout(ctx, handoverTimeout+time.Duration(waits)*2*lockWait)
	defer cancel()
	err = b.contend(bounded, c, kind, kind, []proto.Flag{proto.RDWR}, func(ctx context.Context, h *holder) error {
		for round := 0; round < retriedRounds || round < mostRetriedRounds && h.met.Load() < leastMet; round++ {
			if err := h.hold(ctx, h.retry, h.rewriteAndMeet); err != nil {
				return err
			}
			if err := h.yield(ctx); err != nil {
				return err
			}
		}
		// A lock that the other side is still asking for would be waited for, too, and
		// each wait may take 30 s.
		h.askNoMore()
		select {
		case <-h.other.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for range waits {
			if err := h.waitInTurn(ctx, h.v == b.on(b.Target), taken); err != nil {
				return err
			}
		}
		return nil
	})
	// A lock that is not handed over in time is for the judge to see.
	if bounded.Err() != nil || errors.Is(err, errLockHangs) {
		return nil
	}
	return err
}

// waitInTurn waits for the lock in the kernel, the second side once the first
// has taken it, so that it surely has to.
func (h *holder) waitInTurn(ctx context.Context, first bool, taken chan struct{}) error {
	if first {
		return h.hold(ctx, h.wait, func(ctx context.Context) (func(agent.Timed, error), error) {
			taken <- struct{}{}
			return h.rewrite(ctx)
		})
	}
	select {
	case <-taken:
		return h.hold(ctx, h.wait, h.rewrite)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rewriteAndMeet is rewrite, and leaves the other side time to be in the way.
func (h *holder) rewriteAndMeet(ctx context.Context) (ended func(unlock agent.Timed, err error), err error) {
	ended, err = h.rewrite(ctx)
	if err == nil {
		err = h.meet(ctx)
	}
	return ended, err
}

// rewrite reads the register and writes it anew. The write is on the server
// when the unlock has returned (fs/nfs/file.c do_unlk flushes), so that is
// where its operation ends.
func (h *holder) rewrite(ctx context.Context) (ended func(unlock agent.Timed, err error), err error) {
	read, err := h.v.do(ctx, proto.Request{Op: proto.OpReadRecord, Lane: h.lane(), FD: h.fd})
	if err != nil {
		return nil, err
	}
	op := timedOp(read, history.Op{Client: h.v.machine, Lane: h.dataLane(), Func: history.Read, File: h.file, Mode: history.ModeLocked})
	setRead(&op, read.Response)
	h.c.op(h.v.machine, op)

	h.seq++
	token := fmt.Sprintf("%s-%d", h.v.machine, h.seq)
	write, err := h.v.do(ctx, proto.Request{Op: proto.OpWriteRecord, Lane: h.lane(), FD: h.fd, Token: token, Seq: h.seq, Size: registerSize})
	if err != nil {
		return nil, err
	}
	return h.endWithUnlock(timedOp(write, history.Op{
		Client: h.v.machine, Lane: h.dataLane(), Func: history.Write, File: h.file, Mode: history.ModeLocked,
		Value: token, Size: registerSize, Result: writeResult(write.Response),
	})), nil
}
