package scenarios

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// afterBoot is the observation of a log on the server's disk before NFS was
// served again; its Value is up to which record the log has all from the first
// on.
const afterBoot = "after-boot"

func serverCrash() Scenario {
	return Scenario{
		Name: "server-crash", Family: FamilyNFS, Quiet: true, Dirties: true, Power: true, Estimate: 95 * time.Second,
		Doc:     "the server machine is reset (power, not shutdown) while A appends; export sync and async",
		Decides: "acknowledged data lost? on sync exports never",
		Modes:   []string{history.ModeFsync, history.ModeClose, history.ModeOSync},
		Drive:   driveServerCrash,
		Judge:   judgeServerCrash,
	}
}

func driveServerCrash(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		// Held back before anything is written: to hold it makes the disk durable.
		serve, err := b.inject(ctx, fault.NFSHold(b.server().Name))
		if err != nil {
			return err
		}
		defer func() { _ = serve(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		logs, err := b.startAllLogs(ctx, b.on(b.Target), serverCrash().Modes)
		if err != nil {
			return err
		}
		if err := b.reset(ctx, b.server(), nil, nil); err != nil {
			return err
		}
		err = b.each(ctx, "read the disk before NFS is served again", func(ctx context.Context, c *Cell) error {
			return c.lookAfterBoot(ctx, b.on(b.server()), b.Target.Name, serverCrash().Modes)
		})
		if err != nil {
			return err
		}
		if err := serve(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await that it goes on", func(ctx context.Context, c *Cell) error {
			if err := goOn(ctx, slices.Collect(maps.Values(logs[c]))...); err != nil {
				return err
			}
			for mode, f := range logs[c] {
				if err := c.stopStream(ctx, f); err != nil {
					return err
				}
				if err := c.diskTruth(ctx, b.on(b.server()), mode); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// lookAfterBoot notes up to which record each log has all of the writer's.
func (c *Cell) lookAfterBoot(ctx context.Context, server *vantage, writer string, modes []string) error {
	for _, mode := range modes {
		t, err := server.do(ctx, proto.Request{Op: proto.OpReadFile, Path: c.Export.Path + "/" + mode, Decode: "log", Lane: c.Key})
		if err != nil {
			return err
		}
		o := rundir.Observation{T: t.T1, Source: history.ClientDisk, Event: afterBoot, Subject: mode, Detail: t.Errno, Value: "0"}
		if t.Log != nil {
			o.Detail = fmt.Sprintf("%d bytes, %d records, %d bytes of them in no record", t.Size, t.Log.Records, t.Log.NULBytes+t.Log.TornBytes+t.Log.PartialBytes)
			if w := t.Log.Clients[writer]; w != nil && len(w.Ranges) > 0 && w.Ranges[0].From == 1 {
				o.Value = strconv.FormatInt(w.Ranges[0].To, 10)
			}
		}
		c.observe(server.machine, o)
	}
	return nil
}

func judgeServerCrash(e *Evidence) Judgement {
	var j Judgement
	for _, mode := range serverCrash().Modes {
		j.Modes = append(j.Modes, judgeServerCrashMode(e, mode))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

func judgeServerCrashMode(e *Evidence, mode string) Mode {
	m := Mode{Name: mode}
	ops := opsOf(e.Ops, mode)
	cut, no, ok := judgeCrash(e, ops, mode)
	if !ok {
		m.Outcomes = []outcome.Outcome{no}
		return m
	}
	hold, _ := e.fault("nfs-hold")
	kept := judgeLog(ops, mode)
	m.Models, m.Outcomes = kept.Models, kept.Outcomes
	c := continuity{
		what: "append", ops: funcOps(ops, history.Append), grace: 0, options: e.Trial.Granted,
		outage: outage{cut: cut, acting: cut, proven: cut, healing: hold.HealedAt, healed: hold.HealedAt},
	}
	m.Outcomes = append(m.Outcomes, c.outcomes()...)
	m.Notes = append(m.Notes, c.notes()...)
	if look, ok := e.First(afterBoot, mode); ok {
		m.Notes = append(m.Notes, fmt.Sprintf("after the boot and before NFS was served, the disk had records 1 to %s of %d acknowledged before the power was cut (%s)",
			look.Value, lastAcked(ops, cut), look.Detail))
	}
	return m
}

// lastAcked is the largest record number acknowledged by t.
func lastAcked(ops []history.Op, t int64) int64 {
	var last int64
	for i := range ops {
		if _, ret := ops[i].Wide(); ops[i].Func == history.Append && ops[i].Result == history.OK && ret <= t {
			last = max(last, ops[i].Seq)
		}
	}
	return last
}
