package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
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
	// raceRecords is how many records each side appends at least in a race, and
	// turnRecords how many in turn.
	raceRecords = 16
	turnRecords = 10
	// raceEveryUS is the pause between two records of a race without a lock, in
	// µs, and raceMost how many there are at most of each side.
	raceEveryUS = 5_000
	raceMost    = 400
	// raceRecordSize is a record's size in bytes. It divides no page, so that
	// records that were laid over each other page by page show as torn.
	raceRecordSize = 100
	// raceTimeout bounds one mode, with all profiles at once on emulated machines.
	raceTimeout = 2 * time.Minute
)

func appendRace() Scenario {
	return Scenario{
		Name: "append-race", Family: FamilyNFS, Estimate: 60 * time.Second,
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
				{modeRacing, b.appendAtOnce},
				{modeLocked, b.lockedAppenders("posix")},
				{modeFlock, b.lockedAppenders("flock")},
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
	return c.diskTruth(ctx, b.on(b.server()), file)
}

// sides are the two clients.
func (b *Batch) sides() []*vantage { return []*vantage{b.on(b.Target), b.on(b.Other)} }

// appendInTurn lets the sides append turn by turn, each with an open and a
// close of its own.
func (b *Batch) appendInTurn(ctx context.Context, c *Cell, file string) error {
	for seq := int64(1); seq <= turnRecords; seq++ {
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
// descriptor or path.
func (v *vantage) writeRecord(ctx context.Context, p placed, req proto.Request) (history.Op, error) {
	data, err := p.record.Append(nil, p.size)
	if err != nil {
		return history.Op{}, err
	}
	req.Op, req.Data, req.Offset = proto.OpWriteRecord, data, p.offset
	t, err := v.do(ctx, req)
	if err != nil {
		return history.Op{}, err
	}
	return timedOp(t, history.Op{
		Client: v.machine, Lane: "appender", Func: history.Append, File: p.file, Mode: p.mode,
		Value: recordValue(p.record), Seq: p.record.Seq, Offset: p.offset, Size: int64(p.size), Result: writeResult(t.Response),
	}), nil
}

// writeRecord is that of v, and notes the operation.
func (c *Cell) writeRecord(ctx context.Context, v *vantage, p placed, req proto.Request) error {
	req.Lane = c.Key + p.file
	op, err := v.writeRecord(ctx, p, req)
	if err == nil {
		c.op(v.machine, op)
	}
	return err
}

// appendAtOnce lets two appenders race that keep the file open and fsync after
// every record, until each has written enough beside the other.
func (b *Batch) appendAtOnce(ctx context.Context, c *Cell, file string) (err error) {
	sides := b.sides()
	racers := make([]*follower, len(sides))
	defer func() {
		// Whatever they still wait for, they are not left running.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, atOnce(len(racers), func(i int) error {
			if racers[i] == nil {
				return nil
			}
			_, err := racers[i].stop(last)
			return err
		}))
	}()
	err = atOnce(len(sides), func(i int) (err error) {
		racers[i], err = c.append(ctx, sides[i].client, sides[i].machine, sides[i].machine, file, proto.StreamSpec{
			Path: c.mountPoint() + "/" + file, Client: sides[i].machine, Sync: "fsync", Size: raceRecordSize,
			IntervalUS: raceEveryUS, MaxRecords: raceMost, OnError: "reopen", Advance: true,
		})
		if err != nil {
			return err
		}
		defer waiting(ctx)()
		return racers[i].awaitSeq(ctx, "first append", 1)
	})
	if err != nil {
		return err
	}
	defer waiting(ctx)()
	return atOnce(len(racers), func(i int) error {
		return racers[i].awaitSeq(ctx, "appends beside the other side's", racers[i].seq()+raceRecords)
	})
}

// lockedAppenders returns a race of two appenders that take a lock for every
// record, and leave it to the unlock to flush.
func (b *Batch) lockedAppenders(kind string) func(ctx context.Context, c *Cell, file string) error {
	return func(ctx context.Context, c *Cell, file string) error {
		flags := []proto.Flag{proto.RDWR, proto.CREAT, proto.APPEND}
		return b.contend(ctx, c, file, kind, flags, func(ctx context.Context, h *holder) error {
			for range raceRecords {
				if err := h.hold(ctx, h.retry, h.appendOne); err != nil {
					return err
				}
				if err := h.yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// appendOne appends the holder's next record.
func (h *holder) appendOne(ctx context.Context) (ended func(unlock agent.Timed, err error), err error) {
	h.seq++
	op, err := h.v.writeRecord(ctx, placed{
		file: h.file, mode: history.ModeLocked, record: payload.Record{Client: h.v.machine, Seq: h.seq}, size: raceRecordSize,
	}, proto.Request{FD: h.fd, Lane: h.lane()})
	if err != nil {
		return nil, err
	}
	op.Lane = h.dataLane()
	return h.endWithUnlock(op), nil
}
