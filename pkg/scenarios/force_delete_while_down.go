package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// faultKubeletStop is the name that fault.KubeletStop records.
const faultKubeletStop = "kubelet-stop"

func forceDeleteWhileDown() Scenario {
	return Scenario{
		Name: "force-delete-while-down", Family: FamilyKubelet, Target: true, Modes: shapes(), Shapes: true, Estimate: 180 * time.Second,
		Doc:     "the pod is force-deleted (grace 0) while the kubelet is down, then the kubelet starts",
		Decides: "the zombie clock, and whether the mount left the host before the writer died",
		Drive: func(ctx context.Context, b *Batch) error {
			return b.deleteWhileDown(ctx, func(ctx context.Context, k *kube.Client, w *workload, _ *ending) error {
				return b.forceDelete(ctx, k, w)
			})
		},
		Judge: judgeForceDelete,
	}
}

// deleteWhileDown stops the kubelet, deletes the pods, lets them write on,
// starts the kubelet and waits for the pods' ends.
func (b *Batch) deleteWhileDown(ctx context.Context, remove func(ctx context.Context, k *kube.Client, w *workload, end *ending) error) error {
	return b.withShapes(ctx, func(ctx context.Context, k *kube.Client) error {
		ends := b.watchEnds(ctx)
		back, heal, err := b.kubeletDown(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		err = b.eachPod(ctx, "delete with the kubelet down", func(ctx context.Context, w *workload) error {
			if err := b.moreAppends(ctx, w, calmRecords); err != nil {
				return err
			}
			if w.plan.stays() {
				return nil
			}
			if err := remove(ctx, k, w, ends[w]); err != nil {
				return err
			}
			if err := b.moreAppends(ctx, w, 2*calmRecords); err != nil {
				return fmt.Errorf("after the delete: %w", err)
			}
			host, container, err := b.mountsKept(ctx, w)
			w.cell.Trial.SetFact("mount_host_while_down"+w.plan.label, host)
			w.cell.Trial.SetFact("mount_container_while_down"+w.plan.label, container)
			return err
		})
		if err != nil {
			return err
		}
		if err := back(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await the end of writer and mount", func(ctx context.Context, c *Cell) error {
			if err := ends.awaitAll(ctx, c, endTimeout); err != nil {
				return err
			}
			return b.lastTruths(ctx, k, c)
		})
	})
}

// lastTruth ends the look at arrivals of a pod that writes no more, and reads
// what it wrote from the server's disk.
func (b *Batch) lastTruth(ctx context.Context, w *workload) error {
	if _, err := w.arrivals.stop(ctx); err != nil {
		return fmt.Errorf("stop the server's look at arrivals: %w", err)
	}
	if err := b.podTruth(ctx, w); err != nil {
		return err
	}
	w.cell.noteUnanswered(w.records(), w.file())
	return nil
}

func judgeForceDelete(e *Evidence) Judgement {
	if o, ok := judgeFault(e, faultKubeletStop, history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	f, _ := e.fault(faultKubeletStop)
	end := podEnd{client: podAppends, since: f.HealedAt, what: "the kubelet was started again", limit: endTimeout}
	first := e.withoutShapes()
	outcomes, notes, ok := end.outcomes(first)
	if !ok {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not seen to leave the API").In("observations.jsonl")}}
	}
	j := judgeModels(first.Ops, consistency.AppendLog)
	j.Outcomes = append(j.Outcomes, outcomes...)
	j.Notes, j.Figures = append(notes, shapeNotes(e)...), end.figures(first)
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	j.Modes = judgeShapes(e, func(of *Evidence, shape string) Mode { return judgeShapeEnd(of, shape, f) })
	return j
}
