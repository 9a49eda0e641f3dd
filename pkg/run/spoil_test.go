package run

import (
	"os"
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// What mutations are made of. They spoil evidence in memory.

func isTruth(op history.Op) bool { return op.Func == history.Truth }

func dropOps(e *scenarios.Evidence, drop func(op history.Op) bool) {
	e.Ops = slices.DeleteFunc(e.Ops, drop)
}

// dropEvents drops the observations of an event later than after, in ns.
func dropEvents(e *scenarios.Evidence, event string, after int64) {
	e.Observations = slices.DeleteFunc(e.Observations, func(o rundir.Observation) bool {
		return o.Event == event && o.T > after
	})
}

// opsOf returns the operations of a function, in the order of their invocation.
func opsOf(e *scenarios.Evidence, fn string) []*history.Op {
	var ops []*history.Op
	for i := range e.Ops {
		if e.Ops[i].Func == fn {
			ops = append(ops, &e.Ops[i])
		}
	}
	slices.SortStableFunc(ops, func(a, b *history.Op) int { return int(a.Invoke - b.Invoke) })
	return ops
}

// appendDuringFault returns one of the appends in the midst of the first fault.
func appendDuringFault(e *scenarios.Evidence) *history.Op {
	middle := (e.Faults[0].ProvenAt + e.Faults[0].HealedAt) / 2
	for _, op := range opsOf(e, history.Append) {
		if op.Invoke > middle {
			return op
		}
	}
	return nil
}

// unproven takes away what proves the faults.
func unproven(e *scenarios.Evidence) {
	for i := range e.Faults {
		f := &e.Faults[i]
		f.Proven, f.ProvenAt, f.Proof, f.Error = false, 0, "", "prove: exit status 1"
	}
}

// leave adds something to the ledger after the trial.
func leave(category string) func(e *scenarios.Evidence) {
	return func(e *scenarios.Evidence) {
		e.After[category] = append(e.After[category], "worker1: something that was not there before")
	}
}

// fact sets a fact of the drive; nil takes it away.
func fact(key string, value any) func(e *scenarios.Evidence) {
	return func(e *scenarios.Evidence) {
		delete(e.Trial.Facts, key)
		if value != nil {
			e.Trial.Facts[key] = value
		}
	}
}

// cut takes the last 5 bytes off a file.
func cut(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-5)
}

// has says whether a word is among the outcomes of the trial or of its modes.
func has(v rundir.Verdict, w outcome.Word) bool {
	outcomes := v.Outcomes
	for _, m := range v.Modes {
		outcomes = slices.Concat(outcomes, m.Outcomes)
	}
	return slices.ContainsFunc(outcomes, func(o outcome.Outcome) bool { return o.Word == w })
}
