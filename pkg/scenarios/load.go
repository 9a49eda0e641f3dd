package scenarios

import (
	"context"
	"errors"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// What a load is made of, below the directory of its mode.
const (
	loadLog      = "log"      // the writer appends to it, with an fsync after each record
	loadRegister = "register" // the reader opens and reads it again and again
	loadLock     = "lock"     // the writer holds a lock on it
)

const (
	// appendEvery and readEvery are how far apart rounds begin: few enough for
	// twenty profiles at once on one emulated processor.
	appendEvery = 400 * time.Millisecond
	readEvery   = time.Second
	// calmRounds is how many records are acknowledged before a fault, and again
	// after it.
	calmRounds = 3
)

// load is what a cell keeps up while a fault lasts.
type load struct {
	cell    *Cell
	mode    string
	appends *follower
	reads   *follower
	lock    *contest
}

// startLoad starts a load in the directory of the mode: appends and a lock on
// Target, reads on reader, and waits until it runs. The rival for the lock is on
// Other.
func (b *Batch) startLoad(ctx context.Context, c *Cell, mode string, reader *vantage) (*load, error) {
	writer := b.on(b.Target)
	if _, err := b.on(b.server()).must(ctx, proto.Request{Op: proto.OpMkdir, Path: c.Export.Path + "/" + mode}); err != nil {
		return nil, err
	}
	l := &load{cell: c, mode: mode}
	dir := c.mountPoint() + "/" + mode + "/"
	err := c.writeRegister(ctx, writer, dir+loadRegister, l.file(loadRegister), mode, proto.WRONLY, proto.CREAT)
	if err != nil {
		return nil, err
	}
	if l.lock, err = c.hold(ctx, c.mounted(writer), c.mounted(b.on(b.Other)), l.file(loadLock)); err != nil {
		return nil, err
	}
	l.appends, err = c.append(ctx, writer.client, writer.machine, writer.machine, l.file(loadLog), proto.StreamSpec{
		Path: dir + loadLog, Client: writer.machine, Sync: "fsync", IntervalUS: appendEvery.Microseconds(), OnError: "reopen", Advance: true,
	})
	if err != nil {
		return nil, err
	}
	if l.reads, err = c.rereads(ctx, reader, dir+loadRegister, l.file(loadRegister)); err != nil {
		return nil, err
	}
	if err := l.appends.awaitSeq(ctx, "appends", calmRounds); err != nil {
		return nil, err
	}
	return l, l.reads.awaitSeq(ctx, "reads", 1)
}

func (l *load) file(name string) string { return l.mode + "/" + name }

// rereads opens, reads and closes a register on v again and again, and notes
// every round. The follower's last is how many rounds succeeded.
func (c *Cell) rereads(ctx context.Context, v *vantage, path, file string) (*follower, error) {
	spec := proto.StreamSpec{Kind: proto.Poller, Mode: proto.PollReopen, Path: path, IntervalUS: readEvery.Microseconds()}
	s, err := v.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &spec})
	if err != nil {
		return nil, err
	}
	f := follow(s, func(f *follower, ev proto.Event) {
		if ev.Hung {
			return
		}
		op := history.Op{
			Client: v.machine, Lane: "reader", Func: history.Read, File: file, Mode: history.ModeReopen,
			Invoke: ev.T0, Return: ev.T1,
		}
		setRead(&op, proto.Response{Errno: ev.Errno, Value: ev.Value})
		op.Errno = ev.Errno
		if op.Result == history.OK {
			f.last++
		} else {
			f.failed++
		}
		c.op(v.machine, op)
	})
	f.name = noteStream(ctx, v.client, s.ID(), pollStep(v.machine, spec))
	return f, nil
}

// goOn waits until the streams have each succeeded calmRounds times from now on,
// at most for backWithin. That they do not is a result.
func goOn(ctx context.Context, streams ...*follower) error {
	defer waiting(ctx)()
	wait, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	want := make([]int64, len(streams))
	for i, f := range streams {
		want[i] = f.seq() + calmRounds
	}
	for i, f := range streams {
		end := begin(wait, rundir.Step{Do: rundir.DoAwait, Stream: f.name, Count: calmRounds})
		err := f.await(wait, "the load", func(f *follower) bool { return f.last >= want[i] })
		end(err)
		if err != nil && (ctx.Err() != nil || wait.Err() == nil) {
			return err
		}
	}
	return nil
}

// stop ends the streams of the load. One that hangs is left to the unmount,
// whose force ends it; that it hangs is noted.
func (l *load) stop(ctx context.Context) error {
	return errors.Join(l.cell.stopStream(ctx, l.appends), l.cell.stopStream(ctx, l.reads))
}

// stopStream ends a stream whose last call may hang.
func (c *Cell) stopStream(ctx context.Context, f *follower) error {
	defer waiting(ctx)()
	_, err := f.stop(ctx)
	var hung *agent.HungError
	if errors.As(err, &hung) {
		c.now("node", "stream-hangs", f.stream.ID(), hung.Error())
		return nil
	}
	return err
}

// eachLoad runs f for the load of every live cell at once.
func (b *Batch) eachLoad(ctx context.Context, what string, loads map[*Cell]*load, f func(ctx context.Context, l *load) error) error {
	return b.each(ctx, what, func(ctx context.Context, c *Cell) error { return f(ctx, loads[c]) })
}

// startLoads is startLoad for every live cell.
func (b *Batch) startLoads(ctx context.Context, mode string, reader *vantage) (map[*Cell]*load, error) {
	return gather(ctx, b, "write, read and lock: "+mode, func(ctx context.Context, c *Cell) (*load, error) {
		return b.startLoad(ctx, c, mode, reader)
	})
}
