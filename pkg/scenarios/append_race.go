package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
)

// The modes of append-race.
const (
	modeAlternating   = "alternating"    // turn by turn, each open, append, close
	modeRacing        = "racing"         // at once, fsync after each
	modeLocked        = "locked"         // at once, each under a POSIX lock
	modeFlock         = "flock"          // at once, each under a flock
	modeDisjoint      = "disjoint"       // at once, each its own ranges of one page
	modeDisjointOSync = "disjoint-osync" // the same through descriptors with O_SYNC
)

const (
	// raceRecords is how many records each side appends in one mode.
	raceRecords = 16
	// raceRecordSize is a record's size in bytes. It divides no page, so that
	// records that were laid over each other page by page show as torn.
	raceRecordSize = 100
	// raceTimeout bounds one mode. It is past the longest pause between two
	// attempts of an NFSv4 client to get a lock: 30 s, NFS4_LOCK_MAXTIMEOUT in
	// fs/nfs/nfs4proc.c.
	raceTimeout = 60 * time.Second
)

func appendRace() Scenario {
	return Scenario{
		Name: "append-race", Family: FamilyNFS, Estimate: 35 * time.Second,
		Doc:     "A and B append records to one file with O_APPEND, in turn, at once, and at once under a lock; and write disjoint ranges of one page",
		Decides: "records lost or torn; with and without a lock",
		Modes:   []string{modeAlternating, modeRacing, modeLocked, modeFlock, modeDisjoint, modeDisjointOSync},
		Drive:   driveAppendRace,
		Judge:   judgeAppendRace,
	}
}

func driveAppendRace(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "append from both sides", func(ctx context.Context, c *Cell) error {
			for _, mode := range []struct {
				file string
				race func(ctx context.Context, c *Cell, file string) error
			}{
				{modeAlternating, b.appendInTurn},
				{modeRacing, b.racers("none")},
				{modeLocked, b.racers("posix")},
				{modeFlock, b.racers("flock")},
				{modeDisjoint, b.disjointWriters(history.ModeFsync)},
				{modeDisjointOSync, b.disjointWriters(history.ModeOSync)},
			} {
				if err := b.raceAndRead(ctx, c, mode.file, mode.race); err != nil {
					return fmt.Errorf("mode %s: %w", mode.file, err)
				}
			}
			return nil
		})
	})
}

// raceAndRead runs one mode, and reads from the server's disk what came of it.
func (b *Batch) raceAndRead(ctx context.Context, c *Cell, file string, race func(ctx context.Context, c *Cell, file string) error) error {
	bounded, cancel := context.WithTimeout(ctx, raceTimeout)
	defer cancel()
	// A race that is not over in time is for the judge to see.
	if err := race(bounded, c, file); err != nil && bounded.Err() == nil {
		return err
	}
	node, err := b.node(ctx, b.server())
	if err != nil {
		return err
	}
	return c.logTruth(ctx, node, c.Export.Path+"/"+file, file)
}

// sides are the two clients.
func (b *Batch) sides() []*vantage { return []*vantage{b.on(b.Target), b.on(b.Other)} }

// appendInTurn lets the sides append turn by turn, each with an open and a
// close of its own.
func (b *Batch) appendInTurn(ctx context.Context, c *Cell, file string) error {
	for seq := int64(1); seq <= raceRecords; seq++ {
		for _, side := range b.sides() {
			err := c.writeRecord(ctx, side, placed{
				file: file, mode: history.ModeClose, record: payload.Record{Client: side.machine, Seq: seq}, size: raceRecordSize,
			}, proto.Request{
				Path: c.mountPoint() + "/" + file, Flags: []proto.Flag{proto.WRONLY, proto.CREAT, proto.APPEND}, Close: true,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// placed is a record and where it goes.
type placed struct {
	file, mode string
	record     payload.Record
	size       int
	offset     int64 // not for O_APPEND
}

// writeRecord writes one record by the request, which says through which
// descriptor or path, and notes it as an append.
func (c *Cell) writeRecord(ctx context.Context, v *vantage, s placed, req proto.Request) error {
	data, err := s.record.Append(nil, s.size)
	if err != nil {
		return err
	}
	req.Op, req.Lane, req.Data, req.Offset = proto.OpWriteRecord, c.Key+s.file, data, s.offset
	t, err := v.do(ctx, req)
	if err != nil {
		return err
	}
	c.op(v.machine, timedOp(t, history.Op{
		Client: v.machine, Lane: "appender", Func: history.Append, File: s.file, Mode: s.mode,
		Value: recordValue(s.record), Seq: s.record.Seq, Offset: s.offset, Size: int64(s.size), Result: writeResult(t.Response),
	}))
	return nil
}

// racers returns a race of two appenders that keep the file open, fsync after
// every record and take the lock, if any, for each of them.
func (b *Batch) racers(lock string) func(ctx context.Context, c *Cell, file string) error {
	return func(ctx context.Context, c *Cell, file string) error {
		sides := b.sides()
		return atOnce(len(sides), func(i int) error {
			f, err := c.append(ctx, sides[i].client, sides[i].machine, sides[i].machine, file, proto.StreamSpec{
				Path: c.mountPoint() + "/" + file, Client: sides[i].machine, Sync: "fsync", Lock: lock,
				Size: raceRecordSize, MaxRecords: raceRecords, OnError: "reopen", Advance: true,
			})
			if err != nil {
				return err
			}
			defer waiting(ctx)()
			err = f.await(ctx, "the last append", func(f *follower) bool { return f.done })
			// Whatever it still waits for, it is not left running.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			_, stopErr := f.stop(last)
			return errors.Join(err, stopErr)
		})
	}
}

// stopTimeout bounds the end of a stream, whose last call may hang.
const stopTimeout = 5 * time.Second
