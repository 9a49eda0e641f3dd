package scenarios

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// The modes of server-restart.
const (
	modeRestart  = "restart"   // systemctl restart nfs-server
	modeStopLong = "stop-long" // stopped until every lease has expired, then started
)

const (
	// backWithin bounds how long a load takes to go on after a fault is over: past
	// the grace period, and past the longest pause of a client that tries to
	// connect or to open again.
	backWithin = 100 * time.Second
	// pastLease is by how much a long fault is longer than the lease.
	pastLease = 10 * time.Second
)

func serverRestart() Scenario {
	return Scenario{
		Name: "server-restart", Family: FamilyNFS, Quiet: true, Estimate: 55 * time.Second,
		Apart:   []nfs.Aspect{nfs.Lease},
		Doc:     "the NFS service restarts, or stays stopped past the lease, while A appends with fsync and holds a lock, and B reads",
		Decides: "acknowledged data kept, errno, gap in s, lock reclaimed in the grace period",
		Modes:   []string{modeRestart, modeStopLong},
		Drive:   driveServerRestart,
		Judge:   judgeServerRestart,
	}
}

func driveServerRestart(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		restart := fault.NFSRestart(b.server().Name)
		if err := b.interrupt(ctx, interruption{mode: modeRestart, spec: restart, reader: b.on(b.Other)}); err != nil {
			return err
		}
		if b.Full {
			stop := fault.NFSStop(b.server().Name)
			if err := b.interrupt(ctx, interruption{mode: modeStopLong, spec: stop, lasts: b.Lease + pastLease, reader: b.on(b.Other)}); err != nil {
				return err
			}
		}
		return b.keep(ctx, b.server(), kernelLog(), "end")
	})
}

func judgeServerRestart(e *Evidence) Judgement {
	var j Judgement
	for _, mode := range serverRestart().Modes {
		if m, ok := judgeInterruption(e, mode, e.Run.GraceS, judgeRestarted); ok {
			j.Modes = append(j.Modes, m)
		}
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeRestarted wants that the client had to connect anew: a service that
// restarted has closed its connections.
func judgeRestarted(e *Evidence, mode string, _ []history.Op, _ outage) (outcome.Outcome, bool) {
	if n, ok := e.reconnects(mode); !ok || n < 1 {
		return outcome.New(outcome.NoFault, "the client made %d new connections: its server did not restart", n).In("trial.json"), false
	}
	return outcome.Outcome{}, true
}
