package run

import (
	"slices"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// TestMutationsOfFaults checks that the judges of faults notice what is spoilt
// in one mode of a real trial, a fault that did not happen among it.
func TestMutationsOfFaults(t *testing.T) {
	t.Parallel()
	for scenario, mutations := range map[string][]modeMutation{
		"nfs.server-restart": slices.Concat(unprovenIn("restart", "restart"), goneIn("restart"), grantedIn("restart", 0), sameConnectionIn("restart")),
		"nfs.server-crash":   slices.Concat(unprovenIn("fsync", "reset"), goneIn("fsync"), goneIn("close"), goneIn("osync"), hungIn("osync")),
		"nfs.partition": slices.Concat(unprovenIn("drop-long", "drop-long"), goneIn("drop-short"), grantedIn("reject-short", time.Second),
			answeredIn("drop-short"), hungIn("reject-long")),
		"nfs.client-crash": slices.Concat(unprovenIn("close", "reset"), unprovenIn("lock", "reset"), goneIn("fsync"), goneIn("close"), goneIn("osync"), goneIn("unflushed")),
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			for _, m := range mutations {
				t.Run(m.mode+" "+m.name, func(t *testing.T) {
					t.Parallel()
					e := recorded(t, scenario)
					m.mutate(e)
					v, _ := checked(t, e, scenarios.Named)
					m.compare(t, v)
				})
			}
		})
	}
}

// unprovenIn takes the fault's proof away.
func unprovenIn(mode, fault string) []modeMutation {
	return []modeMutation{{
		name: "the fault was not proven", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			for i := range e.Faults {
				if e.Faults[i].Name == fault {
					e.Faults[i].Proven = false
				}
			}
		},
		status: rundir.StatusInconclusive, with: outcome.NoFault, less: []outcome.Word{outcome.Durable, outcome.Exclusive},
	}}
}

// goneIn takes the first acknowledged record off the disk.
func goneIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "an acknowledged record is gone", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			first := opsIn(e, mode, history.Append)[0]
			file, value := first.File, first.Value
			dropOps(e, func(op history.Op) bool { return op.Func == history.Truth && op.File == file && op.Value == value })
		},
		status: rundir.StatusNew, with: outcome.AckedLost, less: []outcome.Word{outcome.Durable},
	}}
}

// grantedIn gives the rival the lock in its second attempt, and at least so much
// after the first.
func grantedIn(mode string, after time.Duration) []modeMutation {
	return []modeMutation{{
		name: "the rival was given the lock", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			var tried []*history.Op
			for _, op := range opsIn(e, mode, history.Lock) {
				if op.Lane == "rival" {
					tried = append(tried, op)
				}
			}
			for _, op := range tried[1:] {
				if op.Invoke >= tried[0].Invoke+int64(after) {
					op.Result, op.Errno = history.OK, ""
					return
				}
			}
		},
		status: rundir.StatusNew, with: outcome.LockLost, less: []outcome.Word{outcome.Exclusive},
	}}
}

// sameConnectionIn lets the client keep its connection.
func sameConnectionIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "the client kept its connection", mode: mode,
		mutate: func(e *scenarios.Evidence) { e.Trial.Facts["reconnects_"+mode] = 0 },
		status: rundir.StatusInconclusive, with: outcome.NoFault, less: []outcome.Word{outcome.Durable},
	}}
}

// answeredIn lets an append be answered at once that was called when the client
// was cut off.
func answeredIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "an append was answered while cut off", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			i := slices.IndexFunc(e.Faults, func(f rundir.FaultRecord) bool { return f.Name == mode })
			for _, op := range opsIn(e, mode, history.Append) {
				if op.Return > e.Faults[i].ProvenAt {
					op.Invoke, op.Return = e.Faults[i].ProvenAt+int64(time.Second), e.Faults[i].ProvenAt+int64(1100*time.Millisecond)
					return
				}
			}
		},
		status: rundir.StatusInconclusive, with: outcome.NoFault, less: []outcome.Word{outcome.Durable},
	}}
}

// hungIn lets no append succeed after the fault.
func hungIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "appends never went on", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			from := int64(0)
			for _, f := range e.Faults {
				if f.Name == mode || f.Name == "reset" {
					from = f.InjectedAt
				}
			}
			var late []string
			for _, op := range opsIn(e, mode, history.Append) {
				if op.Return > from {
					late = append(late, op.Value)
				}
			}
			for _, value := range late[1:] {
				dropOps(e, func(op history.Op) bool { return op.Value == value && op.Func == history.Append })
			}
			dropOps(e, func(op history.Op) bool { return op.Func == history.Truth && slices.Contains(late[1:], op.Value) })
			for _, op := range opsIn(e, mode, history.Append) {
				if op.Value == late[0] {
					op.Return, op.Result = 0, history.Unknown
				}
			}
		},
		status: rundir.StatusNew, with: outcome.Hung,
	}}
}
