package run

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// mutation spoils one thing in what was recorded of a real trial, and says
// what the verdict must be then.
type mutation struct {
	name   string
	mutate func(e *scenarios.Evidence)
	status rundir.Status
	with   outcome.Word   // one of the outcomes
	less   []outcome.Word // none of the outcomes
}

// TestMutations checks that every judge sees what it is there to see: each
// trial is green as it was recorded, and anything spoilt in it shows.
func TestMutations(t *testing.T) {
	t.Parallel()
	for scenario, mutations := range map[string][]mutation{
		"nfs.close-to-open":               mutationsOfAny(),
		"nfs.attr-cache":                  mutationsOfAny(),
		"nfs.append-race":                 append(mutationsOfAny(), mutationsOfAppendRace()...),
		"nfs.lock-handover":               append(mutationsOfAny(), mutationsOfLockHandover()...),
		"kubelet.kubelet-restart":         append(mutationsOfAny(), mutationsOfKubeletRestart()...),
		"kubelet.force-delete-while-down": append(mutationsOfAny(), mutationsOfForceDelete()...),
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			for _, m := range mutations {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					e := recorded(t, scenario)
					m.mutate(e)
					v, code := checked(t, e, scenarios.Named)
					m.compare(t, v, code)
				})
			}
		})
	}
}

func (m mutation) compare(t *testing.T, v rundir.Verdict, code int) {
	t.Helper()
	if v.Status != m.status {
		t.Errorf("status %s, want %s: %s", v.Status, m.status, words(v))
	}
	if !has(v, m.with) {
		t.Errorf("no %s among %s", m.with, words(v))
	}
	for _, w := range m.less {
		if has(v, w) {
			t.Errorf("%s among %s", w, words(v))
		}
	}
	want := map[rundir.Status]int{
		rundir.StatusExpected: report.ExitExpected, rundir.StatusNew: report.ExitNew,
		rundir.StatusInconclusive: report.ExitInconclusive, rundir.StatusInfra: report.ExitInconclusive,
	}[m.status]
	if code != want {
		t.Errorf("exit code %d, want %d", code, want)
	}
}

// mutationsOfAny are for every scenario.
func mutationsOfAny() []mutation {
	return []mutation{
		{
			name: "as recorded", mutate: func(*scenarios.Evidence) {},
			status: rundir.StatusExpected, with: outcome.Clean,
		},
		{
			name: "cut short", mutate: func(e *scenarios.Evidence) { e.Trial.Finished = false },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Clean, outcome.Durable},
		},
		{
			name: "the lab broke", mutate: func(e *scenarios.Evidence) { e.Trial.Error = "no route to host" },
			status: rundir.StatusInfra, with: outcome.InfraError, less: []outcome.Word{outcome.Clean, outcome.Durable},
		},
		{
			name: "unknown scenario", mutate: func(e *scenarios.Evidence) { e.Trial.Scenario = "nfs.no-such-scenario" },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive,
		},
		{
			name: "nothing recorded", mutate: func(e *scenarios.Evidence) { e.Ops = nil },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Durable},
		},
		{
			name: "nobody read the disk", mutate: func(e *scenarios.Evidence) { dropOps(e, isTruth) },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Durable},
		},
		{
			name: "answered before asked", mutate: func(e *scenarios.Evidence) { e.Ops[0].Return = e.Ops[0].Invoke - 1 },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Durable},
		},
		{
			name: "no ledger after", mutate: func(e *scenarios.Evidence) { e.After = nil },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Clean},
		},
		{
			name: "mount left", mutate: leave(rundir.MountsHost),
			status: rundir.StatusNew, with: outcome.MountLeft, less: []outcome.Word{outcome.Clean},
		},
		{
			name: "pod directory left", mutate: leave(rundir.PodDirs),
			status: rundir.StatusNew, with: outcome.PodDirLeft, less: []outcome.Word{outcome.Clean},
		},
		{
			name: "firewall rule left", mutate: leave(rundir.NFT),
			status: rundir.StatusNew, with: outcome.Leaked, less: []outcome.Word{outcome.Clean},
		},
	}
}

// mutationsOfPod are for the scenarios in which a pod appends while its kubelet
// is down.
func mutationsOfPod() []mutation {
	return []mutation{
		{
			name: "fault not proven", mutate: unproven,
			status: rundir.StatusInconclusive, with: outcome.NoFault, less: []outcome.Word{outcome.Durable, outcome.Clean},
		},
		{
			name: "no fault recorded", mutate: func(e *scenarios.Evidence) { e.Faults = nil },
			status: rundir.StatusInconclusive, with: outcome.NoFault, less: []outcome.Word{outcome.Durable, outcome.Clean},
		},
		{
			name: "no append while the fault lasted", mutate: func(e *scenarios.Evidence) {
				f := e.Faults[0]
				dropOps(e, func(op history.Op) bool {
					return op.Func == history.Append && op.Return >= f.ProvenAt && op.Invoke <= f.HealedAt
				})
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Durable, outcome.Clean},
		},
		{
			name: "one acknowledged record is not on the disk", mutate: func(e *scenarios.Evidence) {
				dropOps(e, func(op history.Op) bool { return isTruth(op) && op.Value == "pod#40" })
			},
			status: rundir.StatusNew, with: outcome.AckedLost, less: []outcome.Word{outcome.Durable},
		},
		{
			name: "one record on the disk is zeros", mutate: func(e *scenarios.Evidence) {
				for i := range e.Ops {
					if op := &e.Ops[i]; isTruth(*op) && op.Value == "pod#40" {
						op.Kind, op.Value = history.KindNUL, ""
					}
				}
			},
			status: rundir.StatusNew, with: outcome.Corrupt, less: []outcome.Word{outcome.Durable},
		},
	}
}

func mutationsOfKubeletRestart() []mutation {
	return append(mutationsOfPod(), []mutation{
		{
			name: "a look missed an acknowledged record", mutate: func(e *scenarios.Evidence) { opsOf(e, history.Read)[7].Seq = 40 },
			status: rundir.StatusNew, with: outcome.UnboundedStale, less: []outcome.Word{outcome.CloseToOpen},
		},
		{
			name: "a look failed", mutate: func(e *scenarios.Evidence) {
				look := opsOf(e, history.Read)[7]
				look.Result, look.Errno, look.Seq = history.Fail, "ESTALE", 0
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.CloseToOpen},
		},
		{
			name: "nobody looked", mutate: func(e *scenarios.Evidence) {
				dropOps(e, func(op history.Op) bool { return op.Func == history.Read })
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.CloseToOpen},
		},
		{
			name: "the writer stood still", mutate: func(e *scenarios.Evidence) {
				from := e.Faults[0].ProvenAt + int64(2*time.Second)
				for i := range e.Ops {
					if op := &e.Ops[i]; op.Func == history.Append && op.Invoke > from {
						op.Invoke += int64(20 * time.Second)
						op.Return += int64(20 * time.Second)
					}
				}
			},
			status: rundir.StatusNew, with: outcome.Recovered, less: []outcome.Word{outcome.Uninterrupted},
		},
		{
			name: "an append failed", mutate: func(e *scenarios.Evidence) {
				op := appendDuringFault(e)
				op.Result, op.Errno = history.Unknown, "EIO"
			},
			status: rundir.StatusNew, with: outcome.EIO, less: []outcome.Word{outcome.Uninterrupted},
		},
		{
			name: "an append never returned", mutate: func(e *scenarios.Evidence) {
				op := appendDuringFault(e)
				op.Result, op.Return = history.Unknown, 0
				seq := op.Seq
				dropOps(e, func(op history.Op) bool {
					return op.Func == history.Append && op.Seq > seq || isTruth(op) && op.Seq >= seq
				})
			},
			status: rundir.StatusNew, with: outcome.Hung, less: []outcome.Word{outcome.Uninterrupted},
		},
		{
			name: "another container", mutate: fact("container_kept", false),
			status: rundir.StatusNew, with: outcome.Moved, less: []outcome.Word{outcome.Stayed},
		},
		{
			name: "mount gone from the host", mutate: fact("mount_kept_host", false),
			status: rundir.StatusNew, with: outcome.UnmountedUnderPod, less: []outcome.Word{outcome.Stayed},
		},
		{
			name: "mount gone from the container", mutate: fact("mount_kept_container", false),
			status: rundir.StatusNew, with: outcome.UnmountedUnderPod, less: []outcome.Word{outcome.Stayed},
		},
		{
			name: "nobody looked at the mounts", mutate: fact("mount_kept_host", nil),
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Stayed},
		},
	}...)
}

func mutationsOfForceDelete() []mutation {
	const arrived = "record-arrived"
	return append(mutationsOfPod(), []mutation{
		{
			name: "the pod never left the API", mutate: func(e *scenarios.Evidence) { dropEvents(e, "api-gone", 0) },
			status: rundir.StatusInconclusive, with: outcome.NoFault, less: []outcome.Word{outcome.Exclusive, outcome.Clean},
		},
		{
			name: "the writer did not die", mutate: func(e *scenarios.Evidence) { dropEvents(e, "writer-dead", 0) },
			status: rundir.StatusNew, with: outcome.Leaked,
		},
		{
			name: "the mount left after the writer", mutate: func(e *scenarios.Evidence) {
				dead, _ := e.First("writer-dead", "")
				for i := range e.Observations {
					if o := &e.Observations[i]; o.Event == "host-unmounted" {
						o.T = dead.T + int64(time.Second)
					}
				}
			},
			status: rundir.StatusExpected, with: outcome.ZombieWriter, less: []outcome.Word{outcome.UnmountedUnderPod},
		},
		{
			name: "the writer ended with the pod's object", mutate: func(e *scenarios.Evidence) {
				gone, _ := e.First("api-gone", "")
				dropEvents(e, arrived, gone.T)
				last := int64(0)
				dropOps(e, func(op history.Op) bool {
					if op.Func == history.Append && op.Return < gone.T {
						last = max(last, op.Seq)
					}
					return op.Func == history.Append && op.Return >= gone.T
				})
				dropOps(e, func(op history.Op) bool { return isTruth(op) && op.Seq >= last })
			},
			status: rundir.StatusNew, with: outcome.Exclusive, less: []outcome.Word{outcome.ZombieWriter},
		},
		{
			name: "the look at arrivals ended before the writer", mutate: func(e *scenarios.Evidence) {
				gone, _ := e.First("api-gone", "")
				dropEvents(e, arrived, gone.T)
			},
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Exclusive},
		},
		{
			name: "nobody looked at arrivals", mutate: func(e *scenarios.Evidence) { dropEvents(e, arrived, 0) },
			status: rundir.StatusInconclusive, with: outcome.Inconclusive, less: []outcome.Word{outcome.Exclusive, outcome.ZombieWriter},
		},
	}...)
}

// TestPanicOfAJudge checks that a judge that panics decides nothing.
func TestPanicOfAJudge(t *testing.T) {
	t.Parallel()
	v, code := checked(t, recorded(t, "nfs.close-to-open"), panics(false))
	mutation{status: rundir.StatusInconclusive, with: outcome.Inconclusive}.compare(t, v, code)
}

// TestDamagedFiles checks that a finished trial with a file that was cut, is
// no JSON, or is gone is inconclusive.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file string
		damage     func(path string) error
	}{
		{"cut history", "history.jsonl", cut},
		{"cut meta data", "trial.json", cut},
		{"cut ledger", "ledger-after.json", cut},
		{"no history", "history.jsonl", os.Remove},
		{"no meta data", "trial.json", os.Remove},
		{"no ledger", "ledger-before.json", os.Remove},
		{"no faults", "faults.jsonl", os.Remove},
		{"no observations", "observations.jsonl", os.Remove},
		{"empty history", "history.jsonl", func(path string) error { return os.Truncate(path, 0) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := recorded(t, "kubelet.force-delete-while-down")
			r := record(t, e)
			trials, err := r.Trials()
			must(t, err)
			must(t, tc.damage(filepath.Join(trials[0].Dir, tc.file)))
			index, err := Check(r)
			must(t, err)
			if len(index.Verdicts) != 1 {
				t.Fatalf("%d verdicts, want 1", len(index.Verdicts))
			}
			if v := index.Verdicts[0]; v.Status != rundir.StatusInconclusive {
				t.Errorf("status %s: %s", v.Status, words(v))
			}
		})
	}
}
