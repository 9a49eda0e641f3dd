package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// crashEvery is how far apart a log's records are. It is short against the
	// time after which a kernel writes back by itself (30 s,
	// vm.dirty_expire_centisecs), and bearable for twenty profiles at once.
	crashEvery = 700 * time.Millisecond
	// crashRecordSize is a page, in bytes: a client that writes part of a page to
	// the server may write all of it (fs/nfs/write.c nfs_can_extend_write), and so
	// bring back, by chance, records of the page that the server had lost.
	crashRecordSize = 4096
	// crashRecords is how many records of each log are acknowledged before the
	// power is cut.
	crashRecords = 5
)

// flushedLogs are the appenders of a cell, by mode: the modes of the scenarios
// that cut a machine's power are what a writer does to have its records
// acknowledged. Each has a log of its own, of the mode's name. In the mode
// unflushed the first records are flushed by fsync, and the others by nothing.
type flushedLogs map[string]*follower

// startLogs starts an appender for each mode on v.
func (c *Cell) startLogs(ctx context.Context, v *vantage, modes []string) (flushedLogs, error) {
	logs := flushedLogs{}
	for _, mode := range modes {
		spec := proto.StreamSpec{
			Path: c.mountPoint() + "/" + mode, Client: v.machine, Sync: mode, Size: crashRecordSize,
			IntervalUS: crashEvery.Microseconds(), OnError: "reopen", Advance: true,
		}
		if mode == history.ModeUnflushed {
			if err := c.flushedFirst(ctx, v, spec); err != nil {
				return nil, err
			}
			spec.Sync, spec.StartSeq = "none", crashRecords+1
		}
		f, err := c.append(ctx, v.client, v.machine, v.machine, mode, spec)
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", mode, err)
		}
		logs[mode] = f
	}
	for mode, f := range logs {
		want := int64(crashRecords)
		if mode == history.ModeUnflushed {
			want *= 2
		}
		if err := f.awaitSeq(ctx, mode, want); err != nil {
			return nil, err
		}
	}
	return logs, nil
}

// flushedFirst appends the records of the unflushed log that are made durable.
func (c *Cell) flushedFirst(ctx context.Context, v *vantage, spec proto.StreamSpec) error {
	spec.Sync, spec.MaxRecords, spec.IntervalUS, spec.Path = "fsync", crashRecords, 0, c.mountPoint()+"/"+history.ModeUnflushed
	f, err := c.append(ctx, v.client, v.machine, v.machine, history.ModeUnflushed, spec)
	if err != nil {
		return err
	}
	return f.await(ctx, "the flushed records", func(f *follower) bool { return f.done })
}

// streams lists the appenders of all cells.
func streams(logs map[*Cell]flushedLogs) []*follower {
	var all []*follower
	for _, l := range logs {
		for _, f := range l {
			all = append(all, f)
		}
	}
	return all
}

// startAllLogs is startLogs for every live cell.
func (b *Batch) startAllLogs(ctx context.Context, v *vantage, modes []string) (map[*Cell]flushedLogs, error) {
	return gather(ctx, b, "append, flushed in several ways", func(ctx context.Context, c *Cell) (flushedLogs, error) {
		return c.startLogs(ctx, v, modes)
	})
}

// judgeCrash says whether the power was cut, and whether enough had been
// acknowledged in a mode by then. cut is when, in ns.
func judgeCrash(e *Evidence, ops []history.Op, mode string) (cut int64, no outcome.Outcome, ok bool) {
	f, found := e.fault(faultReset)
	if !found || !f.Proven {
		return 0, outcome.New(outcome.NoFault, "the reset was not proven to take effect: %s", f.Error).In("faults.jsonl"), false
	}
	if n := ackedUntil(funcOps(ops, history.Append), f.InjectedAt); n < crashRecords {
		return 0, outcome.New(outcome.Inconclusive, "mode %s: only %d records were acknowledged before the power was cut, %d are wanted", mode, n, crashRecords).In("history.jsonl"), false
	}
	return f.InjectedAt, outcome.Outcome{}, true
}
