package scenarios

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// The modes of partition.
const (
	modeDropShort   = "drop-short"   // silence, shorter than every timer
	modeDropLong    = "drop-long"    // silence, longer than a soft mount's patience and than the lease
	modeRejectShort = "reject-short" // resets in place of silence
	modeRejectLong  = "reject-long"
	modeLinkDown    = "link-down" // the cable: name resolution of the link layer fails too
	// modeFrozen is what a client sees of a server whose threads stand still: its
	// kernel acknowledges what arrives, and nothing answers. Threads of nfsd are the
	// kernel's own and no signal stops them, so the replies are dropped instead. What
	// it shows beyond a true freeze: the server does what it is asked.
	modeFrozen = "frozen"
)

const (
	// shortCut is below timeo x (retrans + 1) of every profile and below the lease.
	shortCut = 5 * time.Second
	// shortest is the least of those timers: soft-v3 gives up after 10 s. A short cut
	// that a busy machine healed later than that decides nothing.
	shortest = 10 * time.Second
	// longCut is above the soft profiles' patience, 10 s and 15 s, at least.
	longCut = 25 * time.Second
	// linkCut is less than half of the time after which the worker's SSH connection,
	// which the cable carries too, is given up (15 s): TCP may wait for as long again
	// before it sends what was lost.
	linkCut = 6 * time.Second
)

func partition() Scenario {
	return Scenario{
		Name: "partition", Family: FamilyNFS, Target: true, Quiet: true, Estimate: 125 * time.Second,
		Apart:   []nfs.Aspect{nfs.Connections},
		Doc:     "A is cut off from the server for less and for more than its timers and the lease, by silence, by refusal, by its link; it appends, reads and holds a lock that B wants",
		Decides: "hang, EIO, ETIMEDOUT, and after it: is what the application was told true, and who has the lock",
		Modes:   []string{modeDropShort, modeDropLong, modeRejectShort, modeRejectLong, modeFrozen, modeLinkDown},
		Drive:   drivePartition,
		Judge:   judgePartition,
	}
}

func drivePartition(ctx context.Context, b *Batch) error {
	peer, err := netip.ParseAddr(b.server().Addr)
	if err != nil {
		return fmt.Errorf("address of %s: %w", b.server().Name, err)
	}
	cut := func(mode fault.CutMode) fault.Spec {
		return fault.Partition(b.Target.Name, fault.Cut{Peer: peer, Mode: mode})
	}
	long := max(longCut, b.Lease+pastLease)
	return b.withMounts(ctx, func(ctx context.Context) error {
		in := []interruption{
			{mode: modeDropShort, spec: cut(fault.Drop), lasts: shortCut},
			{mode: modeDropLong, spec: cut(fault.Drop), lasts: long},
			{mode: modeRejectShort, spec: cut(fault.Reject), lasts: shortCut},
			{mode: modeRejectLong, spec: cut(fault.Reject), lasts: long},
		}
		if b.Full {
			in = append(in, interruption{mode: modeFrozen, spec: cut(fault.Mute), lasts: long})
		}
		if links, ok := b.Lab.(fault.Links); ok && b.Full {
			down, up := fault.LinkCut(b.server().Name, b.Target, links)
			in = append(in, interruption{mode: modeLinkDown, spec: down, undo: up, lasts: linkCut})
		}
		for _, i := range in {
			i.reader = b.on(b.Target)
			if err := b.interrupt(ctx, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func judgePartition(e *Evidence) Judgement {
	var j Judgement
	for _, mode := range partition().Modes {
		if m, ok := judgeInterruption(e, mode, 0, judgeCutOff); ok {
			j.Modes = append(j.Modes, m)
		}
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeCutOff wants that no append that was called after the cut was
// acknowledged before its healing, and that one at least was tried: a partition
// that leaves a connection open is none.
func judgeCutOff(_ *Evidence, mode string, appends []history.Op, o outage) (outcome.Outcome, bool) {
	if short := mode == modeDropShort || mode == modeRejectShort; short && o.healed-o.acting > int64(shortest) {
		return outcome.New(outcome.Inconclusive, "the cut lasted for up to %s, which is not short: the machines were busy", seconds(o.healed-o.acting)).In("faults.jsonl"), false
	}
	tried := 0
	for _, op := range appends {
		invoke, ret := op.Wide()
		if invoke > o.healing || ret < o.proven {
			continue
		}
		tried++
		if op.Result == history.OK && invoke > o.proven && ret < o.healing {
			return outcome.New(outcome.NoFault, "record %d was appended and acknowledged while the client was cut off", op.Seq).In("faults.jsonl", "history.jsonl"), false
		}
	}
	if tried == 0 {
		return outcome.New(outcome.Inconclusive, "no append was tried while fault %s lasted", mode).In("faults.jsonl", "history.jsonl"), false
	}
	return outcome.Outcome{}, true
}
