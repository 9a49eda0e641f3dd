package run

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// modeMutation spoils one mode of a real trial, and says what the verdict on
// that mode must be then.
type modeMutation struct {
	name   string
	mode   string
	mutate func(e *scenarios.Evidence)
	status rundir.Status
	with   outcome.Word
	less   []outcome.Word
}

// TestMutationsOfModes checks that every judge of what a second client sees
// notices what is spoilt in one of its modes, and takes it for that mode's.
func TestMutationsOfModes(t *testing.T) {
	t.Parallel()
	for scenario, mutations := range map[string][]modeMutation{
		"nfs.close-to-open":   slices.Concat(staleIn("reopen"), staleIn("locked"), lostIn("reopen"), lostIn("same-size-tick"), thinIn("w-fsync"), neverIn("same-size-second"), lostIn("same-size-second"), thinIn("same-size-second"), mutationsOfStamps()),
		"nfs.attr-cache":      slices.Concat(tooLateIn("held-ro", 7*time.Second), tooLateIn("stat", 7*time.Second), neverIn("held-ro-quiet25"), lostIn("stat"), thinIn("held-ro-quiet25")),
		"nfs.dir-cache":       slices.Concat(tooLateIn("negative", 70*time.Second), neverIn("removed"), thinIn("listing")),
		"nfs.unflushed-write": slices.Concat(mutationsOfUnflushed(), lostIn("unflushed"), lostIn("odirect"), thinIn("osync")),
		"nfs.rename-over":     slices.Concat(mutationsOfHeld("held", outcome.Uninterrupted), lostIn("reopen"), thinIn("reopen-held")),
		"nfs.unlink-open":     slices.Concat(mutationsOfHeld("other-client", outcome.Uninterrupted), mutationsOfSilly()),
		"nfs.mmap-shared":     slices.Concat(staleIn("reopen"), lostIn("reopen-large"), neverIn("held-ro")),
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

func (m modeMutation) compare(t *testing.T, v rundir.Verdict) {
	t.Helper()
	i := slices.IndexFunc(v.Modes, func(mode rundir.ModeVerdict) bool { return mode.Mode == m.mode })
	if i < 0 {
		t.Fatalf("no verdict on mode %s", m.mode)
	}
	got := v.Modes[i]
	if got.Status != m.status {
		t.Errorf("status %s, want %s: %v", got.Status, m.status, got.Outcomes)
	}
	has := func(w outcome.Word) bool {
		return slices.ContainsFunc(got.Outcomes, func(o outcome.Outcome) bool { return o.Word == w })
	}
	if !has(m.with) {
		t.Errorf("no %s among %v", m.with, got.Outcomes)
	}
	if i := slices.IndexFunc(m.less, has); i >= 0 {
		t.Errorf("%s among %v", m.less[i], got.Outcomes)
	}
	if v.Status != m.status {
		t.Errorf("the trial is %s, and its mode %s", v.Status, got.Status)
	}
}

// opsIn returns the operations of a function in a mode, in the order of their
// invocation.
func opsIn(e *scenarios.Evidence, mode string, fns ...string) []*history.Op {
	var ops []*history.Op
	for _, fn := range fns {
		for _, op := range opsOf(e, fn) {
			if op.File == mode || strings.HasPrefix(op.File, mode+"/") {
				ops = append(ops, op)
			}
		}
	}
	slices.SortStableFunc(ops, func(a, b *history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	return ops
}

// staleIn lets an open see what had been replaced before.
func staleIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "an open saw what had been replaced", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			writes := opsIn(e, mode, history.Write)
			for _, op := range opsIn(e, mode, history.Read) {
				if op.Invoke > writes[len(writes)-1].Return {
					op.Value = writes[len(writes)-2].Value
				}
			}
		},
		status: rundir.StatusNew, with: outcome.UnboundedStale, less: []outcome.Word{outcome.Linearizable, outcome.CloseToOpen},
	}}
}

// tooLateIn lets every look be later than it was.
func tooLateIn(mode string, by time.Duration) []modeMutation {
	return []modeMutation{{
		name: "stale for longer than the timeout", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			for _, op := range opsIn(e, mode, history.Read) {
				op.Invoke += int64(by)
				op.Return += int64(by)
			}
		},
		status: rundir.StatusNew, with: outcome.BoundedStale, less: []outcome.Word{outcome.Linearizable},
	}}
}

// neverIn lets the last change be seen by nobody.
func neverIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "the last change was never seen", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			writes := opsIn(e, mode, history.Write, history.Unlink)
			last, before := writes[len(writes)-1], writes[len(writes)-2]
			for _, op := range opsIn(e, mode, history.Read) {
				if op.File == last.File && op.Invoke > last.Invoke {
					op.Value, op.Kind = before.Value, history.KindToken
				}
			}
		},
		status: rundir.StatusNew, with: outcome.UnboundedStale, less: []outcome.Word{outcome.BoundedStale},
	}}
}

// lostIn puts the version before the last on the disk.
func lostIn(mode string) []modeMutation {
	return []modeMutation{{
		name: "the disk holds an older version", mode: mode,
		mutate: func(e *scenarios.Evidence) {
			writes := opsIn(e, mode, history.Write, history.Rename)
			opsIn(e, mode, history.Truth)[0].Value = writes[0].Value
		},
		status: rundir.StatusNew, with: outcome.AckedLost, less: []outcome.Word{outcome.Durable},
	}}
}

// thinIn takes away what a judgement needs.
func thinIn(mode string) []modeMutation {
	drop := func(fn string) func(e *scenarios.Evidence) {
		return func(e *scenarios.Evidence) {
			for _, op := range opsIn(e, mode, fn) {
				op.Func = "" // not to be judged, and not to shift the others
			}
			dropOps(e, func(op history.Op) bool { return op.Func == "" })
		}
	}
	inconclusive := func(name, fn string) modeMutation {
		return modeMutation{name: name, mode: mode, mutate: drop(fn), status: rundir.StatusInconclusive, with: outcome.Inconclusive}
	}
	return []modeMutation{inconclusive("nobody looked", history.Read), inconclusive("nobody read the disk", history.Truth)}
}

// mutationsOfStamps spoil what the disk said of when two versions were written.
func mutationsOfStamps() []modeMutation {
	stamps := func(change func(o *rundir.Observation)) func(e *scenarios.Evidence) {
		return func(e *scenarios.Evidence) {
			for i := range e.Observations {
				if o := &e.Observations[i]; o.Event == "ctime" {
					change(o)
				}
			}
		}
	}
	undecided := func(name string, change func(o *rundir.Observation)) modeMutation {
		return modeMutation{name: name, mode: "same-size-second", mutate: stamps(change), status: rundir.StatusInconclusive, with: outcome.Inconclusive}
	}
	return []modeMutation{
		undecided("never within one second", func(o *rundir.Observation) {
			if o.Detail == "v2" {
				o.Value = "1999999999000000000"
			}
		}),
		undecided("a clock that ticks faster", func(o *rundir.Observation) { o.Value = "1764099712004000000" }),
	}
}

// mutationsOfHeld spoil what a descriptor shows whose file is gone by name.
func mutationsOfHeld(mode string, was outcome.Word) []modeMutation {
	last := func(change func(op *history.Op)) func(e *scenarios.Evidence) {
		return func(e *scenarios.Evidence) {
			reads := opsIn(e, mode, history.Read)
			change(reads[len(reads)-1])
		}
	}
	return []modeMutation{
		{
			name: "ESTALE", mode: mode, mutate: last(func(op *history.Op) { op.Result, op.Errno, op.Value = history.Fail, "ESTALE", "" }),
			status: rundir.StatusNew, with: outcome.EStale, less: []outcome.Word{was},
		},
		{
			name: "EIO", mode: mode, mutate: last(func(op *history.Op) { op.Result, op.Errno, op.Value = history.Fail, "EIO", "" }),
			status: rundir.StatusNew, with: outcome.EIO, less: []outcome.Word{was},
		},
		{
			name: "mixed", mode: mode, mutate: last(func(op *history.Op) { op.Kind, op.Value = history.KindTorn, "v1,v2" }),
			status: rundir.StatusNew, with: outcome.Torn, less: []outcome.Word{was},
		},
		{
			name: "nobody looked for long enough", mode: mode, mutate: func(e *scenarios.Evidence) {
				at := opsIn(e, mode, history.Rename, history.Unlink)[0].Return
				for _, op := range opsIn(e, mode, history.Read) {
					if op.Invoke > at {
						op.Invoke, op.Return = at+1, at+1
					}
				}
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{was},
		},
	}
}

// mutationsOfSilly spoil what the disk showed of a removed file's other name.
func mutationsOfSilly() []modeMutation {
	detail := func(event, text string) func(e *scenarios.Evidence) {
		return func(e *scenarios.Evidence) {
			for i := range e.Observations {
				if o := &e.Observations[i]; o.Event == event {
					o.Detail = text
				}
			}
		}
	}
	return []modeMutation{
		{
			name: "a name is left", mode: "own", mutate: detail("silly-name-ended", ".nfs0001"),
			status: rundir.StatusNew, with: outcome.Leaked, less: []outcome.Word{outcome.Clean},
		},
		{
			name: "there never was a name", mode: "own-killed", mutate: detail("silly-name-seen", ""),
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Clean},
		},
	}
}

// mutationsOfUnflushed spoil who saw it when.
func mutationsOfUnflushed() []modeMutation {
	by := func(client string, change func(op *history.Op)) func(e *scenarios.Evidence) {
		return func(e *scenarios.Evidence) {
			written := opsIn(e, "fsync", history.Write)[1]
			for _, op := range opsIn(e, "fsync", history.Read) {
				if op.Client == client && op.Invoke > written.Return {
					change(op)
				}
			}
		}
	}
	return []modeMutation{
		{
			name: "the wire did not see it", mode: "fsync", mutate: by(history.ClientWire, func(op *history.Op) { op.Value = "v1" }),
			status: rundir.StatusNew, with: outcome.UnboundedStale, less: []outcome.Word{outcome.Linearizable},
		},
		{
			name: "the disk did not see it", mode: "fsync", mutate: by(history.ClientDisk, func(op *history.Op) { op.Value = "v1" }),
			status: rundir.StatusNew, with: outcome.UnboundedStale, less: []outcome.Word{outcome.Linearizable},
		},
		{
			name: "the wire was blind", mode: "fsync", mutate: by(history.ClientWire, func(op *history.Op) { op.Result, op.Value = history.Fail, "" }),
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Linearizable},
		},
	}
}
