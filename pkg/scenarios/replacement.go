package scenarios

import (
	"context"
	"fmt"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// replacementName is the label of the pod that takes the place of a cell's
// first pod, and the client of its records.
const replacementName = "replacement"

// leastBeside is how many records of each writer have to arrive while both
// write, or who wrote beside whom is not decided.
const leastBeside = 5

// replace starts a pod on Other that appends to the log of the cell's first pod,
// and waits until both have had more records acknowledged.
func (b *Batch) replace(ctx context.Context, k *kube.Client, c *Cell) error {
	w, err := b.startPod(ctx, k, c, podPlan{label: replacementName, machine: b.Other})
	if err != nil {
		return fmt.Errorf("start the replacement: %w", err)
	}
	if err := b.moreAppends(ctx, w, 2*calmRecords); err != nil {
		return err
	}
	return b.moreAppends(ctx, c.workload, calmRecords)
}

// endBoth waits for the end of the cell's first pod, lets its replacement go on
// without it, and reads what both wrote.
func (b *Batch) endBoth(ctx context.Context, c *Cell, end *ending) error {
	if _, err := end.await(ctx, endTimeout); err != nil {
		return err
	}
	for _, w := range c.workloads[1:] {
		if err := b.moreAppends(ctx, w, calmRecords); err != nil {
			return err
		}
		if _, err := w.appends.stop(ctx); err != nil {
			return fmt.Errorf("stop the replacement's writer: %w", err)
		}
	}
	return b.lastTruth(ctx, c.workload)
}

// judgeBeside says for how long the records of two pods arrived at the server
// beside each other: from the first of the new one to the last of the old one.
func judgeBeside(e *Evidence, old, young string) outcome.Outcome {
	var first, last int64
	for _, o := range arrivals(e, young) {
		if first == 0 || o.T < first {
			first = o.T
		}
	}
	for _, o := range arrivals(e, old) {
		last = max(last, o.T)
	}
	if first == 0 || last == 0 {
		return outcome.New(outcome.Inconclusive, "no record of %s or of %s was seen to arrive", old, young).In("observations.jsonl")
	}
	if last < first {
		return outcome.New(outcome.Exclusive, "the last record of the old pod arrived %s before the first of the new one", seconds(first-last)).From("disk").In("observations.jsonl")
	}
	counts := map[string]int{}
	for _, o := range arrivals(e, "") {
		if o.T >= first && o.T <= last {
			counts[o.Subject]++
		}
	}
	if counts[old] < leastBeside || counts[young] < leastBeside {
		return outcome.New(outcome.Inconclusive, "only %d records of the old pod and %d of the new one arrived while both wrote, %d are wanted", counts[old], counts[young], leastBeside).In("observations.jsonl")
	}
	return outcome.New(outcome.TwoWriters, "%d records of the old pod and %d of the new one arrived at the server within %s", counts[old], counts[young], seconds(last-first)).
		WithFigure(outcome.Seconds(float64(last-first)/1e9, 0)).From("disk").In("observations.jsonl")
}

// judgeShared says what became of the records of two pods in one file: a record
// that the other may have written over is a lost update.
func judgeShared(e *Evidence, file, old, young string) Judgement {
	ops := opsOf(e.Ops, file)
	r := sortRecords(ops)
	j := judgeModels(ops, consistency.AppendLog)
	switch {
	case r.truths == 0:
		j.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "nothing was read of the log on the server's disk").In("history.jsonl")}
	case r.clients < 2:
		j.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "records of %d pods were acknowledged, 2 are wanted", r.clients).In("history.jsonl")}
	default:
		j.Outcomes = r.outcomes(j.Models[0])
	}
	lost := map[string]int{}
	for _, op := range r.lost {
		lost[op.Client]++
	}
	for _, client := range []string{old, young} {
		acked := 0
		for _, op := range funcOps(ops, history.Append) {
			if op.Client == client && op.Result == history.OK {
				acked++
			}
		}
		j.note("%s: %d records acknowledged, %d of them not in the log", client, acked, lost[client])
	}
	return j
}
