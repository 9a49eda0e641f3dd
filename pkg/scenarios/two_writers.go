package scenarios

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

func twoWriters() Scenario {
	return Scenario{
		Name: "two-writers", Family: FamilyKubelet, Target: true, Quiet: true, Cells: 3, Estimate: 150 * time.Second,
		Doc:     "the pod is force-deleted while its kubelet is down and replaced on the other worker, on the same ReadWriteOnce claim and log, while the old container still writes; then the kubelet starts",
		Decides: "for how long two pods write to one volume, by the records on the server, and what becomes of the records of each",
		Drive:   driveTwoWriters,
		Judge:   judgeTwoWriters,
	}
}

func driveTwoWriters(ctx context.Context, b *Batch) error {
	return b.withPodsOf(ctx, podsPlan{readWriteOnce: true, pods: []podPlan{{}}}, func(ctx context.Context, k *kube.Client) error {
		ends := map[*Cell]*ending{}
		for _, c := range b.live() {
			ends[c] = b.watchEnd(ctx, c.workload)
		}
		back, heal, err := b.kubeletDown(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		err = b.each(ctx, "replace the pod on the other worker", func(ctx context.Context, c *Cell) error {
			if err := b.moreAppends(ctx, c.workload, calmRecords); err != nil {
				return err
			}
			if err := b.forceDelete(ctx, k, c.workload); err != nil {
				return err
			}
			return b.replace(ctx, k, c)
		})
		if err != nil {
			return err
		}
		if err := back(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await the end of the old pod", func(ctx context.Context, c *Cell) error { return b.endBoth(ctx, c, ends[c]) })
	})
}

func judgeTwoWriters(e *Evidence) Judgement {
	if o, ok := judgeFault(e, faultKubeletStop, history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	f, _ := e.fault(faultKubeletStop)
	return judgeReplaced(e, podEnd{client: podAppends, since: f.HealedAt, what: "the kubelet was started again", limit: endTimeout})
}

// judgeReplaced judges a pod that was replaced while its container still ran.
func judgeReplaced(e *Evidence, end podEnd) Judgement {
	outcomes, notes, ok := end.outcomes(e)
	if !ok {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the old pod was not seen to leave the API").In("observations.jsonl")}}
	}
	j := judgeShared(e, logFile, podAppends, replacementName)
	j.Outcomes = append(j.Outcomes, judgeBeside(e, podAppends, replacementName))
	j.Outcomes = append(j.Outcomes, outcomes...)
	j.Notes = append(j.Notes, notes...)
	j.Figures = end.figures(e)
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	return j
}
