package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
)

const (
	// lockPatience bounds one lock call. It is past the grace period of the
	// server's lockd, 50 s (fs/lockd/svc.c get_lockd_grace_period), during which
	// a client waits even in a call that is not to wait.
	lockPatience = 100 * time.Second
	// rivalEvery is between two attempts to get a lock that somebody holds.
	rivalEvery = 500 * time.Millisecond
)

// The lanes of a contest in a history.
const (
	laneHolder = "holder"
	laneRival  = "rival"
)

// contest is a POSIX lock on a whole file that one client holds and another
// wants.
type contest struct {
	cell   *Cell
	file   string // below the export
	holder contender
	rival  contender
	// patience bounds one call, 0 for lockPatience.
	patience time.Duration
	// granted says that the rival was given the lock.
	granted bool
}

// contender is one side: a descriptor that is open as long as the contest lasts.
type contender struct {
	client
	lane string
	fd   int64
}

// client is an NFS client: the agent that acts on it, and where it has a cell's
// export mounted.
type client struct {
	at   *vantage
	root string
}

// mounted is the client on a machine that has the cell's export mounted itself.
func (c *Cell) mounted(v *vantage) client { return client{at: v, root: c.mountPoint()} }

// hold opens the file on both sides and lets the holder lock it. The rival's
// first attempt follows at once: where locks are not shared it is given the
// lock, and gives it back.
func (c *Cell) hold(ctx context.Context, holder, rival client, file string) (*contest, error) {
	k := &contest{cell: c, file: file, holder: contender{client: holder, lane: laneHolder}, rival: contender{client: rival, lane: laneRival}}
	for _, side := range []*contender{&k.holder, &k.rival} {
		t, err := side.at.must(ctx, proto.Request{
			Op: proto.OpOpen, Lane: c.Key + file, Path: side.root + "/" + file, Flags: []proto.Flag{proto.RDWR, proto.CREAT},
		})
		if err != nil {
			return nil, err
		}
		side.fd = t.FD
	}
	t, err := k.try(ctx, k.holder)
	if err == nil && !t.OK() {
		err = fmt.Errorf("lock %s on %s: %s", file, holder.at.machine, orHung(t.Errno))
	}
	if err != nil {
		return nil, err
	}
	k.note(k.holder, history.Lock, t)
	t, err = k.try(ctx, k.rival)
	if err != nil {
		return nil, err
	}
	k.note(k.rival, history.Lock, t)
	if t.OK() {
		return k, k.unlock(ctx, k.rival)
	}
	return k, nil
}

// call does one request on a side's descriptor.
func (k *contest) call(ctx context.Context, side contender, req proto.Request) (agent.Timed, error) {
	req.Lane, req.FD, req.TimeoutMS = k.cell.Key+k.file, side.fd, cmp.Or(k.patience, lockPatience).Milliseconds()
	return side.at.do(ctx, req)
}

// try asks for the lock without waiting for who holds it.
func (k *contest) try(ctx context.Context, side contender) (agent.Timed, error) {
	return k.call(ctx, side, proto.Request{Op: proto.OpLock, Lock: &proto.Lock{Kind: "posix", Type: "write"}})
}

// note notes a lock or unlock call of a side.
func (k *contest) note(side contender, fn string, t agent.Timed) {
	op := timedOp(t, history.Op{Client: side.at.machine, Lane: side.lane, Func: fn, File: k.file, Result: history.OK})
	switch {
	case t.Hung:
		op.Result = history.Unknown
	case !t.OK():
		op.Result = history.Fail
	}
	k.cell.op(side.at.machine, op)
}

// wrest lets the rival ask for the lock again and again, until it is given the
// lock, quit is closed (and one attempt was made after that), or ctx ends. Of
// the attempts that were refused the first and the last are noted: together with
// the one that was granted they hold the moment in which the lock was lost.
func (k *contest) wrest(ctx context.Context, quit <-chan struct{}) error {
	var refused *agent.Timed
	first := true
	for last := false; ; {
		t, err := k.try(ctx, k.rival)
		if err != nil {
			return err
		}
		k.granted = t.OK()
		if last || k.granted || t.Hung {
			if refused != nil {
				k.note(k.rival, history.Lock, *refused)
			}
			k.note(k.rival, history.Lock, t)
			return nil
		}
		if first {
			k.note(k.rival, history.Lock, t)
			first = false
		} else {
			refused = &t
		}
		pause := time.NewTimer(rivalEvery)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-quit:
			pause.Stop()
			last = true
		case <-pause.C:
		}
	}
}

// useLock writes through the holder's descriptor, as an application that
// believes to hold the lock does. EIO tells it that the lock is lost.
func (k *contest) useLock(ctx context.Context, token string) error {
	t, err := k.call(ctx, k.holder, proto.Request{Op: proto.OpWriteRecord, Token: token, Size: registerSize, Fsync: true})
	if err != nil {
		return err
	}
	k.cell.op(k.holder.at.machine, timedOp(t, history.Op{
		Client: k.holder.at.machine, Lane: laneHolder, Func: history.Write, File: k.file, Mode: history.ModeFsync,
		Value: token, Size: registerSize, Result: writeResult(t.Response),
	}))
	return nil
}

func (k *contest) unlock(ctx context.Context, side contender) error {
	t, err := k.call(ctx, side, proto.Request{Op: proto.OpLock, Lock: &proto.Lock{Kind: "posix", Type: "unlock"}})
	if err != nil {
		return err
	}
	k.note(side, history.Unlock, t)
	return nil
}

// end gives the lock back on each side that has it, the holder first, and
// closes the descriptors. A close that fails is the file system's to say.
func (k *contest) end(ctx context.Context, sides ...contender) error {
	var errs []error
	for _, side := range sides {
		if side.lane == laneHolder || k.granted {
			errs = append(errs, k.unlock(ctx, side))
		}
		_, err := k.call(ctx, side, proto.Request{Op: proto.OpClose})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
