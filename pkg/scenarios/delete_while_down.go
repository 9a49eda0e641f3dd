package scenarios

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

func deleteWhileDown() Scenario {
	return Scenario{
		Name: "delete-while-down", Family: FamilyKubelet, Target: true, Modes: shapes(), Shapes: true, Cells: 3, Estimate: 120 * time.Second,
		Doc:     "the pod is deleted (with its grace period) while the kubelet is down, then the kubelet starts",
		Decides: "container gone, unmounted, pod directory gone, object gone: seconds for each, and in which order",
		Drive: func(ctx context.Context, b *Batch) error {
			return b.deleteWhileDown(ctx, func(ctx context.Context, k *kube.Client, w *workload, end *ending) error {
				end.alsoInAPI(ctx, b, k, w)
				return b.deletePod(ctx, k, w, nil)
			})
		},
		Judge: judgeDeleteWhileDown,
	}
}

func judgeDeleteWhileDown(e *Evidence) Judgement {
	if o, ok := judgeFault(e, faultKubeletStop, history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	f, _ := e.fault(faultKubeletStop)
	deleted, ok := number(e.Trial.Facts[factDeleteReturn])
	if !ok || deleted > f.HealedAt {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not deleted while the kubelet was down").In("trial.json")}}
	}
	first := e.withoutShapes()
	j := judgeModels(first.Ops, consistency.AppendLog)
	end := podEnd{client: podAppends, since: f.HealedAt, what: "the kubelet was started again", limit: endTimeout}
	outcomes, notes, gone := end.outcomes(first)
	if !gone {
		outcomes = []outcome.Outcome{stuckTerminating(end)}
	}
	j.Figures = end.figures(first)
	j.Outcomes = append(j.Outcomes, outcomes...)
	j.Notes = append(append(j.Notes, notes...), shapeNotes(e)...)
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	j.Modes = judgeShapes(e, func(of *Evidence, shape string) Mode { return judgeShapeEnd(of, shape, f) })
	return j
}

// stuckTerminating is a pod that the API never forgot.
func stuckTerminating(p podEnd) outcome.Outcome {
	return outcome.New(outcome.TerminatingStuck, "the pod was still in the API %s after %s", p.limit, p.what).From("api").In("observations.jsonl")
}
