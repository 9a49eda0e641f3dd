package scenarios

import (
	"context"
	"fmt"
	"sync"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// follower drains a stream into a cell and lets others wait for its progress.
type follower struct {
	stream *agent.Stream
	name   string // in steps

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every event
	last    int64         // largest sequence number that was acknowledged, or seen
	failed  int64         // operations that were answered with an error
	value   string        // last value seen by a poller
	done    bool
}

func follow(s *agent.Stream, note func(f *follower, ev proto.Event)) *follower {
	f := &follower{stream: s, changed: make(chan struct{})}
	go func() {
		for ev := range s.Events() {
			f.mu.Lock()
			note(f, ev)
			close(f.changed)
			f.changed = make(chan struct{})
			f.mu.Unlock()
		}
		f.mu.Lock()
		f.done = true
		close(f.changed)
		f.mu.Unlock()
	}()
	return f
}

// await waits until holds says so of the follower's state; holds runs with
// the state locked.
func (f *follower) await(ctx context.Context, what string, holds func(f *follower) bool) error {
	for {
		f.mu.Lock()
		ok, done, changed := holds(f), f.done, f.changed
		f.mu.Unlock()
		if ok {
			return nil
		}
		if done {
			if err := f.stream.Err(); err != nil {
				return fmt.Errorf("await %s: %w", what, err)
			}
			return fmt.Errorf("await %s: the stream has ended", what)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w", what, context.Cause(ctx))
		case <-changed:
		}
	}
}

// stop ends the stream and waits until everything it reported was noted.
func (f *follower) stop(ctx context.Context) (proto.StreamEnd, error) {
	if f.name != "" {
		note(ctx, rundir.Step{Do: rundir.DoStop, Stream: f.name})
	}
	end, err := f.stream.Stop(ctx)
	if err != nil {
		return end, err
	}
	return end, f.await(ctx, "the last events", func(f *follower) bool { return f.done })
}

// seq is the largest sequence number so far.
func (f *follower) seq() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// awaitSeq waits for a sequence number.
func (f *follower) awaitSeq(ctx context.Context, what string, seq int64) error {
	end := begin(ctx, rundir.Step{Do: rundir.DoAwait, Stream: f.name, Count: max(seq-f.seq(), 0)})
	err := f.await(ctx, fmt.Sprintf("%s: record %d", what, seq), func(f *follower) bool { return f.last >= seq })
	end(err)
	return err
}

// append starts an appender on the agent of a client and notes every record
// as an operation. The client's clock is that of machine.
func (c *Cell) append(ctx context.Context, client *agent.Client, machine, name, file string, spec proto.StreamSpec) (*follower, error) {
	spec.Kind = proto.Appender
	s, err := client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &spec})
	if err != nil {
		return nil, fmt.Errorf("start appender: %w", err)
	}
	mode := modeOfSync(spec.Sync)
	f := follow(s, func(f *follower, ev proto.Event) {
		if ev.Hung {
			c.observe(machine, rundir.Observation{T: ev.T0, Source: "pod", Event: "append-hangs", Subject: name, Detail: ev.WChan, Value: fmt.Sprint(ev.Seq)})
			return
		}
		op := history.Op{
			Client: name, Lane: "appender of " + file, Func: history.Append, File: file, Mode: mode,
			Value: recordValue(payload.Record{Client: ev.Client, Seq: ev.Seq}), Seq: ev.Seq, Size: ev.Bytes,
			Invoke: ev.T0, Return: ev.T1, Errno: ev.Errno, Result: history.OK,
		}
		if ev.Errno != "" {
			f.failed++
			op.Result = history.Unknown
			if ev.Call == "open" {
				op.Result = history.Fail
			}
		} else {
			f.last = max(f.last, ev.Seq)
		}
		c.op(machine, op)
	})
	f.name = noteStream(ctx, client, s.ID(), rundir.Step{
		Do: rundir.DoAppend, Name: name, Machine: machine, Path: spec.Path, Source: file, Options: spec.Sync, Count: spec.MaxRecords, EveryNS: spec.IntervalUS * 1000,
	})
	return f, nil
}

// modeOfSync is the mode of the appends of a stream with this Sync.
func modeOfSync(sync string) string {
	switch sync {
	case "close":
		return history.ModeClose
	case "osync":
		return history.ModeOSync
	case "", "none":
		return history.ModeUnflushed
	default:
		return history.ModeFsync
	}
}

// tail follows a log on the server's own disk and notes when each record
// arrived there.
func (c *Cell) tail(ctx context.Context, server *vantage, path string) (*follower, error) {
	spec := proto.StreamSpec{Kind: proto.Tail, Path: path}
	s, err := server.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &spec})
	if err != nil {
		return nil, fmt.Errorf("start tail on %s: %w", server.machine, err)
	}
	f := follow(s, func(f *follower, ev proto.Event) {
		switch {
		case ev.Gap != "":
			c.observe(server.machine, rundir.Observation{T: ev.T1, Source: "disk", Event: "gap", Subject: path, Detail: string(ev.Gap), Value: fmt.Sprint(ev.Bytes)})
		case ev.Seq > 0:
			f.last = max(f.last, ev.Seq)
			c.observe(server.machine, rundir.Observation{T: ev.T1, Source: "disk", Event: recordArrived, Subject: ev.Client, Value: fmt.Sprint(ev.Seq)})
		}
	})
	f.name = noteStream(ctx, server.client, s.ID(), pollStep(server.machine, spec))
	return f, nil
}

// recordArrived is the observation that a log record was seen on the
// server's disk; its Value is the sequence number.
const recordArrived = "record-arrived"

// arrivals are the records that were seen to arrive at the server, each once, when
// it was seen first: a look that begins anew, because the file has another inode
// or has become shorter, tells of old records again. An empty client is anyone.
func arrivals(e *Evidence, client string) []rundir.Observation {
	type record struct{ client, seq string }
	first := map[record]int{}
	var out []rundir.Observation
	for _, o := range e.Observations {
		if o.Event != recordArrived || client != "" && o.Subject != client {
			continue
		}
		r := record{o.Subject, o.Value}
		at, seen := first[r]
		switch {
		case !seen:
			first[r] = len(out)
			out = append(out, o)
		case o.T < out[at].T:
			out[at] = o
		}
	}
	return out
}

// noteUnanswered notes, for a client that was killed, the appends whose answer
// died with it: records on the server's disk that come right after the last
// one acknowledged. Whether they were acknowledged is unknown.
func (c *Cell) noteUnanswered(client, file string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last timed[history.Op]
	onDisk := map[string]bool{}
	for _, p := range c.pending.ops {
		switch {
		case p.record.Func == history.Append && p.record.Client == client && p.record.File == file && p.record.Seq > last.record.Seq:
			last = p
		case p.record.Func == history.Truth && p.record.File == file:
			onDisk[p.record.Value] = true
		}
	}
	for seq := last.record.Seq + 1; ; seq++ {
		value := recordValue(payload.Record{Client: client, Seq: seq})
		if !onDisk[value] {
			return
		}
		op := last.record
		op.Seq, op.Value, op.Errno = seq, value, ""
		op.Invoke, op.Return, op.Result = last.record.Return, 0, history.Unknown
		c.pending.ops = append(c.pending.ops, timed[history.Op]{last.machine, op})
	}
}
