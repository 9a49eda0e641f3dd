package scenarios

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// The modes of force-delete-live.
const (
	modeForce         = "force"               // grace 0 at once
	modeGracefulForce = "graceful-then-force" // the pod's own grace first, grace 0 when its process was told
)

// longGrace is the grace period of a pod that ignores SIGTERM.
const longGrace = 60 * time.Second

func forceDeleteLive() Scenario {
	return Scenario{
		Name: "force-delete-live", Family: FamilyKubelet, Target: true, Cells: 2, Estimate: 150 * time.Second,
		Doc:     "a pod that ignores SIGTERM and has a grace period of 60 s is force-deleted with the kubelet alive; at once, or after a graceful delete",
		Decides: "the zombie clock when nothing is broken at all: how long the container of a pod that is gone from the API writes on",
		Modes:   []string{modeForce, modeGracefulForce},
		Drive:   driveForceDeleteLive,
		Judge:   judgeForceDeleteLive,
	}
}

func driveForceDeleteLive(ctx context.Context, b *Batch) error {
	plan := podsPlan{}
	for _, mode := range forceDeleteLive().Modes {
		plan.pods = append(plan.pods, podPlan{label: mode, file: mode, grace: longGrace, ignoreTerm: true})
	}
	return b.withPodsOf(ctx, plan, func(ctx context.Context, k *kube.Client) error {
		return b.each(ctx, "force delete with the kubelet alive", func(ctx context.Context, c *Cell) error {
			return atOnce(len(c.workloads), func(i int) error {
				w := c.workloads[i]
				end := b.watchEnd(ctx, w)
				if err := b.moreAppends(ctx, w, calmRecords); err != nil {
					return err
				}
				if w.plan.label == modeGracefulForce {
					if err := b.deletePod(ctx, k, w, nil); err != nil {
						return err
					}
					if err := b.moreAppends(ctx, w, 2*calmRecords); err != nil {
						return err
					}
				}
				if err := b.forceDelete(ctx, k, w); err != nil {
					return err
				}
				if _, err := end.await(ctx, longGrace+endTimeout); err != nil {
					return err
				}
				return b.lastTruth(ctx, w)
			})
		})
	})
}

func judgeForceDeleteLive(e *Evidence) Judgement {
	var j Judgement
	for _, name := range forceDeleteLive().Modes {
		j.Modes = append(j.Modes, judgeForceDeleteLiveMode(e, name))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

func judgeForceDeleteLiveMode(e *Evidence, name string) Mode {
	invoked, ok := number(e.Trial.Facts[factDeleteInvoke+name])
	end := podEnd{label: name, client: name, since: invoked, what: "the force delete", limit: longGrace + endTimeout}
	outcomes, notes, gone := end.outcomes(e)
	if !ok || !gone {
		return Mode{Name: name, Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not seen to leave the API").In("observations.jsonl")}}
	}
	if n := ackedUntil(funcOps(opsOf(e.Ops, name), history.Append), invoked); n < calmRecords {
		return Mode{Name: name, Outcomes: []outcome.Outcome{outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the delete, %d are wanted", n, calmRecords).In("history.jsonl")}}
	}
	m := judgeMode(e, name, consistency.AppendLog)
	m.Outcomes = append(m.Outcomes, outcomes...)
	m.Notes, m.Figures = notes, end.figures(e)
	return m
}
