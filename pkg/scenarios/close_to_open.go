package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/nfs"
)

// How often each side writes in the modes of close-to-open.
const (
	reopenRounds = 5
	otherRounds  = 3
)

// staleDeadline bounds how long a reader that is stale is waited for. It is
// past acregmax and acdirmax (60 s), so that what is still stale then is stale
// for good.
const staleDeadline = 70 * time.Second

// againAfter is the pause before a reader that was stale looks once more.
const againAfter = 20 * time.Millisecond

const (
	modeReopen         = "reopen"
	modeSameSizeTick   = "same-size-tick"
	modeSameSizeSecond = "same-size-second"
)

// readerMode is one way in which one side writes and the other reads.
type readerMode struct {
	name  string
	write writeHow
	read  readHow
}

// readerModes are those that go one way: A writes, B reads.
func readerModes() []readerMode {
	return []readerMode{
		{"odirect", byClose(), byDirectRead()},
		{"locked", byClose(), byReadUnderLock()},
		{"w-fsync", byFsync(), byReopen()},
		{"w-osync", byOSync(), byReopen()},
		{"w-odirect", byDirect(), byReopen()},
	}
}

func closeToOpenModes() []string {
	modes := []string{modeReopen}
	for _, m := range readerModes() {
		modes = append(modes, m.name)
	}
	return append(modes, modeSameSizeTick, modeSameSizeSecond)
}

func closeToOpen() Scenario {
	return Scenario{
		Name: "close-to-open", Family: FamilyNFS, Quiet: true, Estimate: 75 * time.Second,
		Apart:   []nfs.Aspect{nfs.Delegations},
		Modes:   closeToOpenModes(),
		Doc:     "A writes, closes; B opens and reads, in a loop, both directions; also with fsync, O_SYNC, O_DIRECT, a lock, and two writes of one size within a tick of the server's clock, be it 4 ms or, on a file system of its own, a second",
		Decides: "does every open see the last close; how long until it does",
		Drive:   driveCloseToOpen,
		Judge:   judgeCloseToOpen,
	}
}

func driveCloseToOpen(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		err := b.each(ctx, "write, close, open, read, both ways", b.bothWays)
		if err == nil {
			err = b.each(ctx, "write and read in other ways", func(ctx context.Context, c *Cell) error {
				for _, m := range readerModes() {
					if err := b.oneWay(ctx, c, m); err != nil {
						return fmt.Errorf("%s: %w", m.name, err)
					}
				}
				return nil
			})
		}
		if err == nil {
			turn := make(chan struct{}, 1)
			err = b.each(ctx, "write twice within a tick", func(ctx context.Context, c *Cell) error { return b.sameSizeTick(ctx, c, turn) })
		}
		if err == nil {
			err = b.withCoarsePlaces(ctx, func(ctx context.Context) error {
				lanes := make(chan struct{}, secondLanes)
				return b.each(ctx, "write twice within a second", func(ctx context.Context, c *Cell) error { return b.sameSizeSecond(ctx, c, lanes) })
			})
		}
		return err
	})
}

// bothWays lets each side write in turn what the other then reads.
func (b *Batch) bothWays(ctx context.Context, c *Cell) error {
	const file = modeReopen
	sides := []*vantage{b.on(b.Target), b.on(b.Other)}
	path := c.mountPoint() + "/" + file
	for round := 1; round <= reopenRounds; round++ {
		for i, writer := range sides {
			token := fmt.Sprintf("%c%d", 'a'+i, round)
			if err := c.writeRegister(ctx, writer, path, file, token, proto.WRONLY, proto.CREAT, proto.TRUNC); err != nil {
				return err
			}
			if err := c.readUntil(ctx, sides[1-i], file, token, byReopen()); err != nil {
				return err
			}
		}
	}
	return c.registerTruth(ctx, b.on(b.server()), c.Export.Path+"/"+file, file)
}

// oneWay lets A write in one way what B then reads in another.
func (b *Batch) oneWay(ctx context.Context, c *Cell, m readerMode) error {
	w := c.versions(b.on(b.Target), m.name, m.write)
	var err error
	for err == nil && w.n < otherRounds {
		if err = w.next(ctx); err == nil {
			err = c.readUntil(ctx, b.on(b.Other), m.name, w.latest(), m.read)
		}
	}
	return errors.Join(err, w.close(ctx), w.truth(ctx, b.on(b.server())))
}

// readUntil reads until the token is seen, or staleDeadline is over. Every read
// is noted; a file that stays stale is a result, no error.
func (c *Cell) readUntil(ctx context.Context, v *vantage, file, token string, how readHow) error {
	until := time.Now().Add(staleDeadline)
	for {
		got, err := c.readRegisterAs(ctx, v, c.mountPoint()+"/"+file, file, how)
		if err != nil || got == token || time.Now().After(until) {
			return err
		}
		if err := quiet(ctx, againAfter); err != nil {
			return err
		}
	}
}

func judgeCloseToOpen(e *Evidence) Judgement {
	j := Judgement{Outcomes: judgeLedger(e)}
	for _, mode := range closeToOpenModes() {
		switch {
		case mode == modeReopen:
			j.Modes = append(j.Modes, judgeRegister(e, mode, 2*reopenRounds, consistency.CloseToOpen, consistency.ReadYourWrites))
		case mode == modeSameSizeTick:
			j.Modes = append(j.Modes, judgeSameSizeTick(e))
		case mode == modeSameSizeSecond:
			if m, ok := judgeSameSizeSecond(e); ok {
				j.Modes = append(j.Modes, m)
			}
		case closes(mode):
			j.Modes = append(j.Modes, judgeRegister(e, mode, otherRounds, consistency.CloseToOpen))
		default:
			j.Modes = append(j.Modes, judgeRegister(e, mode, otherRounds))
		}
	}
	return j
}

// closes says whether the mode's writer closes and its reader opens: only then
// does close-to-open say anything.
func closes(mode string) bool {
	return slices.ContainsFunc(readerModes(), func(m readerMode) bool {
		return m.name == mode && !m.write.held && m.read.flag == ""
	})
}
