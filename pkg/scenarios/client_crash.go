package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// modeCrashLock is the mode of client-crash that is about the lock that the
// dead client held.
const modeCrashLock = "lock"

// lockFreedWithin bounds how long the lock of a dead client is waited for, from
// its death: past two leases, and past its boot, which is when an NFSv3 client
// tells the server that its locks are void (sm-notify(8)).
const lockFreedWithin = 150 * time.Second

func clientCrash() Scenario {
	return Scenario{
		Name: "client-crash", Family: FamilyNFS, Target: true, Quiet: true, Dirties: true, Power: true, Estimate: 75 * time.Second,
		Apart:   []nfs.Aspect{nfs.Lease},
		Doc:     "A's machine is reset (power) after appends with and without fsync, while it holds a lock that B wants",
		Decides: "what survives of what was acknowledged and of what was not, and how long the dead client keeps its lock",
		Modes:   []string{history.ModeFsync, history.ModeClose, history.ModeOSync, history.ModeUnflushed, modeCrashLock},
		Drive:   driveClientCrash,
		Judge:   judgeClientCrash,
	}
}

// writingModes are those with a log.
func writingModes() []string {
	return []string{history.ModeFsync, history.ModeClose, history.ModeOSync, history.ModeUnflushed}
}

func driveClientCrash(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		writer, rival := b.on(b.Target), b.on(b.Other)
		contests, err := gather(ctx, b, "lock", func(ctx context.Context, c *Cell) (*contest, error) {
			return c.hold(ctx, c.mounted(writer), c.mounted(rival), modeCrashLock)
		})
		if err != nil {
			return err
		}
		logs, err := b.startAllLogs(ctx, writer, writingModes())
		if err != nil {
			return err
		}
		err = b.reset(ctx, b.Target, streams(logs), func(ctx context.Context) error {
			return b.each(ctx, "await the lock of the dead client", func(ctx context.Context, c *Cell) error {
				return contests[c].outlive(ctx)
			})
		})
		if err != nil {
			return err
		}
		return b.each(ctx, "read what survived", func(ctx context.Context, c *Cell) error {
			for _, mode := range writingModes() {
				if err := c.diskTruth(ctx, b.on(b.server()), mode); err != nil {
					return err
				}
				c.noteUnanswered(writer.machine, mode)
			}
			return contests[c].end(ctx, contests[c].rival)
		})
	})
}

// outlive lets the rival ask for the lock until it is given it, for as long as
// lockFreedWithin.
func (k *contest) outlive(ctx context.Context) error {
	quit := make(chan struct{})
	timer := time.AfterFunc(lockFreedWithin, func() { close(quit) })
	defer timer.Stop()
	return k.wrest(ctx, quit)
}

func judgeClientCrash(e *Evidence) Judgement {
	var j Judgement
	for _, mode := range writingModes() {
		j.Modes = append(j.Modes, judgeClientCrashMode(e, mode))
	}
	j.Modes = append(j.Modes, judgeDeadLock(e))
	j.Outcomes = judgeLedger(e)
	return j
}

func judgeClientCrashMode(e *Evidence, mode string) Mode {
	m := Mode{Name: mode}
	ops := opsOf(e.Ops, mode)
	if _, no, ok := judgeCrash(e, ops, mode); !ok {
		m.Outcomes = []outcome.Outcome{no}
		return m
	}
	if mode == history.ModeUnflushed {
		n := 0
		ops, n = promised(ops, e.Trial.Granted)
		survived, written := survivors(ops)
		m.Notes = append(m.Notes, fmt.Sprintf("%d of %d records that were written without a flush survived; a write was a promise for %d of them", survived, written, n))
	}
	kept := judgeLog(ops, mode)
	m.Models, m.Outcomes = kept.Models, kept.Outcomes
	return m
}

// promised makes the writes without a flush into stable ones where the mount
// says that they are: with sync, which noac implies, data is on the server
// before write returns (nfs(5)).
func promised(ops []history.Op, options map[string]string) (out []history.Op, n int) {
	out = slices.Clone(ops)
	_, sync := options["sync"]
	for i := range out {
		if sync && out[i].Func == history.Append && out[i].Mode == history.ModeUnflushed {
			out[i].Mode = history.ModeOSync
			n++
		}
	}
	return out, n
}

// survivors counts the records that were acknowledged by write alone, after the
// flushed ones, and how many of them are on the disk.
func survivors(ops []history.Op) (survived, written int) {
	onDisk := map[string]bool{}
	for _, op := range funcOps(ops, history.Truth) {
		onDisk[op.Value] = true
	}
	for _, op := range funcOps(ops, history.Append) {
		if op.Seq <= crashRecords || op.Result != history.OK {
			continue
		}
		written++
		if onDisk[op.Value] {
			survived++
		}
	}
	return survived, written
}

// judgeDeadLock says when the rival was given the lock of the client that died.
func judgeDeadLock(e *Evidence) Mode {
	m := Mode{Name: modeCrashLock}
	f, found := e.fault(faultReset)
	if !found || !f.Proven {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.NoFault, "the reset was not proven to take effect: %s", f.Error).In("faults.jsonl")}
		return m
	}
	refused := false
	for _, op := range opsOf(e.Ops, modeCrashLock) {
		if op.Func != history.Lock || op.Lane != laneRival {
			continue
		}
		switch {
		case op.Result == history.OK && op.Return < f.InjectedAt:
			m.Outcomes = []outcome.Outcome{outcome.New(outcome.TwoWriters, "%s was given the lock before the crash while the other client held it: locks stay on each client", op.Client).
				From(op.Client).In("history.jsonl")}
			return m
		case op.Result == history.OK:
			at := op.Return - f.InjectedAt
			m.Outcomes = []outcome.Outcome{
				outcome.New(outcome.Exclusive, "%s was given the lock only after its holder had died", op.Client).From(op.Client).In("history.jsonl"),
				outcome.New(outcome.Recovered, "%s was given the lock %s after its holder's power was cut; the lease is %g s", op.Client, seconds(at), e.Run.LeaseS).
					WithFigure(outcome.Seconds(float64(at)/1e9, (rivalEvery.Seconds() + float64(op.ErrNS)/1e9))).From(op.Client).In("history.jsonl"),
			}
			return m
		}
		refused = refused || op.Result == history.Fail
	}
	if !refused {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "nobody asked for the dead client's lock").In("history.jsonl")}
		return m
	}
	m.Outcomes = []outcome.Outcome{outcome.New(outcome.Hung, "nobody was given the dead client's lock while it was watched, %s at most", lockFreedWithin).In("history.jsonl")}
	return m
}
