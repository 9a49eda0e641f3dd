package scenarios

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

func nodeReset() Scenario {
	return Scenario{
		Name: "node-reset", Family: FamilyKubelet, Target: true, Modes: shapes(), Shapes: true, Quiet: true, Dirties: true, Power: true, Cells: 3, Estimate: 200 * time.Second,
		Doc:     "the worker is reset (power) while its pod writes; it boots and its kubelet starts the pod's container again",
		Decides: "what was acknowledged is kept, after how many s the pod writes again, and whether anything of the old mount is left",
		Drive:   driveNodeReset,
		Judge:   judgeNodeReset,
	}
}

func driveNodeReset(ctx context.Context, b *Batch) error {
	return b.withShapes(ctx, func(ctx context.Context, k *kube.Client) error {
		err := b.eachPod(ctx, "write", func(ctx context.Context, w *workload) error { return b.moreAppends(ctx, w, calmRecords) })
		if err != nil {
			return err
		}
		var streams []*follower
		for _, c := range b.live() {
			for _, w := range c.workloads {
				if w.at == b.Target {
					streams = slices.AppendSeq(append(streams, w.appends), maps.Values(w.followed))
				}
			}
		}
		started := time.Now()
		if err := b.reset(ctx, b.Target, streams, nil); err != nil {
			return err
		}
		if err := b.awaitKubelet(ctx); err != nil {
			return err
		}
		if err := b.awaitNodeReady(ctx, k, started); err != nil {
			return err
		}
		return b.eachPod(ctx, "await the pods' new containers", func(ctx context.Context, w *workload) error {
			writer := w.records()
			if w.at == b.Target {
				if err := b.revive(ctx, k, w); err != nil {
					return err
				}
			}
			if err := b.moreAppends(ctx, w, calmRecords); err != nil {
				return err
			}
			if err := b.notePod(ctx, k, w, w.plan.label); err != nil {
				return err
			}
			if err := b.endAppending(ctx, w); err != nil {
				return err
			}
			w.cell.noteUnanswered(writer, w.file())
			return nil
		})
	})
}

// revive waits for another container of the pod than the one that it had, and
// starts its writer, under another name.
func (b *Batch) revive(ctx context.Context, k *kube.Client, w *workload) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	if err := b.awaitContainer(ctx, k, w); err != nil {
		return err
	}
	return b.startAppending(ctx, w)
}

func judgeNodeReset(e *Evidence) Judgement {
	f, found := e.fault(faultReset)
	if !found || !f.Proven {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the reset was not proven to take effect: %s", f.Error).In("faults.jsonl")}}
	}
	first := e.withoutShapes()
	j := judgeModels(first.Ops, consistency.AppendLog)
	j.Outcomes = append(j.Outcomes, judgeRevival(first, podAppends, f.InjectedAt), judgeKept(e, ""))
	j.Notes = shapeNotes(e)
	if restarts, ok := number(e.Trial.Facts["restarts"]); ok {
		j.note("%d restarts of the container, as the API counts them", restarts)
	}
	for _, event := range []string{eventKubeletHealthy, eventNodeReady} {
		if o, ok := e.after(event, f.InjectedAt); ok {
			j.note("%s %s after the reset", event, seconds(o.T-f.InjectedAt))
		}
	}
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	j.Modes = judgeShapes(e, func(of *Evidence, shape string) Mode {
		models := judgeModels(of.Ops, consistency.AppendLog)
		m := Mode{Models: models.Models, Outcomes: models.Outcomes}
		if shape == shapeOtherNode {
			to := f.ProvenAt
			if o, ok := e.after(eventNodeReady, f.ProvenAt); ok {
				to = o.T
			}
			m.Outcomes = append(m.Outcomes, judgeGaps(of, shape, f.InjectedAt, to))
		} else {
			m.Outcomes = append(m.Outcomes, judgeRevival(of, shape, f.InjectedAt))
		}
		m.Outcomes = append(m.Outcomes, judgeKept(of, shape))
		return m
	})
	return j
}

// judgeRevival says how long nothing of a pod was acknowledged around a time:
// from the last record of its first container, whose client is given, to the
// first of its second.
func judgeRevival(e *Evidence, client string, cut int64) outcome.Outcome {
	var last, first int64
	var errNS int64
	before := 0
	for _, op := range funcOps(e.Ops, history.Append) {
		if op.Result != history.OK {
			continue
		}
		errNS = max(errNS, op.ErrNS)
		switch {
		case op.Client == client:
			last = max(last, op.Return)
			before++
		case op.Client == client+secondSuffix && first == 0:
			first = op.Return
		}
	}
	switch {
	case before < calmRecords:
		return outcome.New(outcome.Inconclusive, "only %d records were acknowledged before the fault, %d are wanted", before, calmRecords).In("history.jsonl")
	case first == 0:
		return outcome.New(outcome.Hung, "the pod's second container had no record acknowledged").From("pod").In("history.jsonl")
	default:
		return outcome.New(outcome.Recovered, "the pod's second container had its first record acknowledged %s after the last of the first one, %s after the fault", seconds(first-last), seconds(first-cut)).
			WithFigure(outcome.Seconds(float64(first-last)/1e9, float64(2*errNS)/1e9)).From("pod").In("history.jsonl")
	}
}
