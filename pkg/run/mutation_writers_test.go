package run

import (
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// spoilTruth changes what the disk held of a record in a file.
func spoilTruth(file, value string, change func(op *history.Op)) func(e *scenarios.Evidence) {
	return func(e *scenarios.Evidence) {
		for i := range e.Ops {
			if op := &e.Ops[i]; isTruth(*op) && op.File == file && op.Value == value {
				change(op)
			}
		}
	}
}

func mutationsOfAppendRace() []mutation {
	return []mutation{
		{
			name: "a record appended under a lock is not in the file", mutate: func(e *scenarios.Evidence) {
				dropOps(e, func(op history.Op) bool { return isTruth(op) && op.File == "locked" && op.Value == "worker1#5" })
			},
			status: rundir.StatusNew, with: outcome.LostUpdate,
		},
		{
			name: "a record appended under a flock is zeros", mutate: spoilTruth("flock", "worker2#5", func(op *history.Op) {
				op.Kind, op.Value = history.KindNUL, ""
			}),
			status: rundir.StatusNew, with: outcome.Corrupt,
		},
		{
			name: "a record appended in turn is torn", mutate: spoilTruth("alternating", "worker2#5", func(op *history.Op) {
				op.Kind, op.Value = history.KindTorn, ""
			}),
			status: rundir.StatusNew, with: outcome.Torn,
		},
		{
			name: "what was written through O_SYNC is not there", mutate: spoilTruth("disjoint-osync", "worker1#3", func(op *history.Op) {
				op.Kind, op.Value = history.KindNUL, ""
			}),
			status: rundir.StatusNew, with: outcome.LostUpdate,
		},
		{
			name: "the sides never met", mutate: func(e *scenarios.Evidence) {
				const later = 1_000_000_000_000
				for i := range e.Ops {
					op := &e.Ops[i]
					if op.Client != "worker2" {
						continue
					}
					for _, t := range []*int64{&op.Invoke, &op.Return, &op.OuterInvoke, &op.OuterReturn} {
						if *t != 0 {
							*t += later
						}
					}
				}
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive,
		},
	}
}

// locksOf returns the lock and unlock calls of a kind, by their invocation.
func locksOf(e *scenarios.Evidence, fn, kind string) []*history.Op {
	return slices.DeleteFunc(opsOf(e, fn), func(op *history.Op) bool { return op.File != kind })
}

func mutationsOfLockHandover() []mutation {
	return []mutation{
		{
			name: "a lock was given before the other side gave it back", mutate: func(e *scenarios.Evidence) {
				for _, lock := range locksOf(e, history.Lock, "posix") {
					for _, unlock := range locksOf(e, history.Unlock, "posix") {
						early := unlock.OuterInvoke - 1_000_000
						if unlock.Client != lock.Client && lock.OuterInvoke < early && lock.Invoke < early && early < lock.OuterReturn {
							lock.Return, lock.OuterReturn = early, early
							return
						}
					}
				}
			},
			status: rundir.StatusNew, with: outcome.TwoWriters,
		},
		{
			name: "two rewrites began from one value", mutate: func(e *scenarios.Evidence) {
				reads := locksOf(e, history.Read, "flock")
				reads[5].Value = reads[4].Value
			},
			status: rundir.StatusNew, with: outcome.LostUpdate,
		},
		{
			name: "a lock that was never given", mutate: func(e *scenarios.Evidence) {
				locks := locksOf(e, history.Lock, "ofd")
				last := *locks[len(locks)-1]
				last.Invoke, last.OuterInvoke = last.Invoke+1e12, last.OuterInvoke+1e12
				last.Return, last.OuterReturn, last.Result = 0, 0, history.Unknown
				e.Ops = append(e.Ops, last)
			},
			status: rundir.StatusNew, with: outcome.Hung,
		},
		{
			name: "nobody asked while the other side had the lock", mutate: func(e *scenarios.Evidence) {
				for _, lock := range locksOf(e, history.Lock, "ofd") {
					lock.Invoke, lock.OuterInvoke = lock.Return-1000, lock.Return-1000
				}
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive,
		},
	}
}
