package scenarios

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// faultNFSStop is the name that fault.NFSStop records.
	faultNFSStop = "nfs-stop"
	// serverAway is for how long the ends of the pods are waited for without the
	// server: past the pod's grace period and past the minute after which a
	// kubelet unmounts by force (pkg/volume/nfs/nfs.go unMountTimeout).
	serverAway = 100 * time.Second
)

func deadServerDelete() Scenario {
	return Scenario{
		Name: "dead-server-delete", Family: FamilyKubelet, Target: true, Modes: shapes(), Shapes: true, Quiet: true, Cells: 3, Estimate: 200 * time.Second,
		Doc:     "the NFS service is stopped, the pod is deleted, the service is started again",
		Decides: "for how long the pod is Terminating, what its end waits for, and whether all is clean when the server is back",
		Drive:   func(ctx context.Context, b *Batch) error { return b.deleteServerDown(ctx, false) },
		Judge:   judgeServerDownDelete,
	}
}

func bothDownDelete() Scenario {
	return Scenario{
		Name: "both-down-delete", Family: FamilyKubelet, Target: true, Modes: shapes(), Shapes: true, Quiet: true, Cells: 3, Estimate: 220 * time.Second,
		Doc:     "kubelet and NFS service are stopped, the pod is deleted, the kubelet is started, then the service",
		Decides: "whether a kubelet that knows the pod only from its disk cleans up behind a dead mount: while the server is away, when it is back, or never",
		Drive:   func(ctx context.Context, b *Batch) error { return b.deleteServerDown(ctx, true) },
		Judge: func(e *Evidence) Judgement {
			stop, found := e.fault(faultKubeletStop)
			o, _, ok := outageOf(e, faultNFSStop)
			if deleted, known := number(e.Trial.Facts[factDeleteReturn]); !found || !stop.Proven || ok && (!known || deleted > stop.HealedAt || stop.HealedAt > o.healing) {
				return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the kubelet was not down when the pod was deleted, or not back before the server: %s", stop.Error).In("faults.jsonl")}}
			}
			return judgeServerDownDelete(e)
		},
	}
}

// deleteServerDown deletes the pods while the NFS service is stopped, and the
// kubelet too if that is asked for; the kubelet comes back first. The ends of
// the pods are waited for without the server, and then with it.
func (b *Batch) deleteServerDown(ctx context.Context, kubeletToo bool) error {
	return b.withShapes(ctx, func(ctx context.Context, k *kube.Client) error {
		ends := b.watchEnds(ctx)
		for w, end := range ends {
			end.alsoInAPI(ctx, b, k, w)
		}
		start := func(context.Context) error { return nil }
		if kubeletToo {
			heal, err := b.inject(ctx, fault.KubeletStop(b.Target.Name, b.Target.Kubelet()))
			if err != nil {
				return err
			}
			start = heal
		}
		defer func() { _ = start(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		b.nowAll(injectBegins, faultNFSStop)
		serve, err := b.inject(ctx, fault.NFSStop(b.server().Name))
		if err != nil {
			return err
		}
		defer func() { _ = serve(context.WithoutCancel(ctx)) }() // likewise
		err = b.eachPod(ctx, "delete without the server", func(ctx context.Context, w *workload) error {
			if w.plan.stays() {
				return nil
			}
			return b.deletePod(ctx, k, w, nil)
		})
		if err != nil {
			return err
		}
		if err := start(ctx); err != nil {
			return err
		}
		if err := b.awaitKubelet(ctx); err != nil {
			return err
		}
		err = b.each(ctx, "await the pods' ends without the server", func(ctx context.Context, c *Cell) error {
			return ends.awaitAll(ctx, c, serverAway)
		})
		if err != nil {
			return err
		}
		if err := b.noteBlocked(ctx, b.Target); err != nil {
			return err
		}
		b.nowAll(healBegins, faultNFSStop)
		if err := serve(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await the pods' ends with the server back", func(ctx context.Context, c *Cell) error {
			if err := ends.awaitAll(ctx, c, endTimeout); err != nil {
				return err
			}
			return b.lastTruths(ctx, k, c)
		})
	})
}

func judgeServerDownDelete(e *Evidence) Judgement {
	o, no, ok := outageOf(e, faultNFSStop)
	deleted, known := number(e.Trial.Facts[factDeleteInvoke])
	if ok && (!known || deleted < o.proven || deleted > o.healing) {
		no, ok = outcome.New(outcome.NoFault, "the pod was not deleted while the server was away").In("trial.json"), false
	}
	first := e.withoutShapes()
	appends := funcOps(opsOf(first.Ops, logFile), history.Append)
	if n := ackedUntil(appends, o.cut); ok && n < calmRecords {
		no, ok = outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the fault, %d are wanted", n, calmRecords).In("history.jsonl"), false
	}
	if !ok {
		return Judgement{Outcomes: []outcome.Outcome{no}}
	}
	j := judgeModels(first.Ops, consistency.AppendLog)
	end := podEnd{client: podAppends, since: deleted, what: "the delete", limit: endTimeout}
	outcomes, notes, gone := end.outcomes(first)
	if !gone {
		outcomes = []outcome.Outcome{stuckTerminating(end)}
	}
	j.Figures = end.figures(first)
	j.Outcomes = append(j.Outcomes, outcomes...)
	j.Outcomes = append(j.Outcomes, judgeLateEnd(first, "", o, deleted)...)
	j.Notes = append(append(j.Notes, notes...), shapeNotes(e)...)
	if note := blockedNote(e); note != "" {
		j.note("%s", note)
	}
	j.note("the server was away for %s, %s of it after the delete", seconds(o.healing-o.proven), seconds(o.healing-deleted))
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	j.Modes = judgeShapes(e, func(of *Evidence, shape string) Mode { return judgeShapeDark(of, shape, o) })
	return j
}

// judgeShapeDark judges a pod of a shape that was deleted while the server was
// away, or one that was to stay.
func judgeShapeDark(e *Evidence, shape string, o outage) Mode {
	appends := funcOps(e.Ops, history.Append)
	if n := ackedUntil(appends, o.cut); n < calmRecords {
		return Mode{Outcomes: []outcome.Outcome{outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the fault, %d are wanted", n, calmRecords).In("history.jsonl")}}
	}
	j := judgeModels(e.Ops, consistency.AppendLog)
	m := Mode{Models: j.Models, Outcomes: j.Outcomes}
	if (podPlan{shape: shape}).stays() {
		c := continuity{what: "append", ops: appends, outage: o, options: e.Trial.Granted}
		m.Outcomes, m.Notes = append(append(m.Outcomes, c.outcomes()...), judgeKept(e, shape)), c.notes()
		return m
	}
	deleted, known := number(e.Trial.Facts[factDeleteInvoke+shape])
	if !known || deleted < o.proven || deleted > o.healing {
		return Mode{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not deleted while the server was away").In("trial.json")}}
	}
	end := podEnd{label: shape, client: shape, since: deleted, what: "the delete", limit: endTimeout}
	outcomes, notes, gone := end.outcomes(e)
	if !gone {
		outcomes = []outcome.Outcome{stuckTerminating(end)}
	}
	m.Outcomes = append(append(m.Outcomes, outcomes...), judgeLateEnd(e, shape, o, deleted)...)
	m.Outcomes = append(m.Outcomes, end.tidy(e)...)
	m.Notes, m.Figures = notes, end.figures(e)
	return m
}

// judgeLateEnd names the ends of a pod that came only when the server was back.
func judgeLateEnd(e *Evidence, label string, o outage, deleted int64) []outcome.Outcome {
	var late []string
	var last int64
	for _, event := range []string{eventWriterDead, eventSubPathUnmounted, eventHostUnmounted, eventPodDirGone, eventAPIGone} {
		end, ok := e.First(event, label)
		if !ok || end.T <= o.healing {
			continue
		}
		late = append(late, fmt.Sprintf("%s %s after it", event, seconds(end.T-o.healing)))
		last = max(last, end.T)
	}
	if len(late) == 0 {
		return nil
	}
	return []outcome.Outcome{outcome.New(outcome.ReclaimedLate, "only when the server was back: %s", strings.Join(late, ", ")).
		WithFigure(outcome.Seconds(float64(last-deleted)/1e9, float64(e.Trial.ClockErrNS)/1e9)).From("node", "api").In("observations.jsonl")}
}
