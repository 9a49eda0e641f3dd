package run

import (
	"testing"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

const controlTrial = "nfs.control-flipped-byte"

// TestControl checks that the control cell is green only when its detector
// found the byte that was surely spoilt, and red, with the run, in any other
// case.
func TestControl(t *testing.T) {
	t.Parallel()
	with := func(detector scenarios.Detector) lookup {
		return func(string) (scenarios.Scenario, bool) { return scenarios.ControlFlippedByte(detector), true }
	}
	for _, tc := range []struct {
		name   string
		named  lookup
		mutate func(e *scenarios.Evidence)
		status rundir.Status
		code   int
		word   outcome.Word // one of the outcomes, "" for any
	}{
		{name: "as recorded", status: rundir.StatusCaught, code: report.ExitExpected, word: outcome.Corrupt},
		{name: "detector named", named: with(scenarios.ByModels(consistency.AppendLog)), status: rundir.StatusCaught, code: report.ExitExpected, word: outcome.Corrupt},
		{name: "detector switched off", named: with(nil), status: rundir.StatusMissed, code: report.ExitInconclusive},
		{name: "detector that does not look at logs", named: with(scenarios.ByModels(consistency.Untorn)), status: rundir.StatusMissed, code: report.ExitInconclusive},
		{name: "detector that does not exist", named: with(scenarios.ByModels("no-such-model")), status: rundir.StatusMissed, code: report.ExitInconclusive},
		{
			name: "byte not proven to be flipped", mutate: unproven,
			status: rundir.StatusMissed, code: report.ExitInconclusive, word: outcome.NoFault,
		},
		{
			name: "no fault recorded", mutate: func(e *scenarios.Evidence) { e.Faults = nil },
			status: rundir.StatusMissed, code: report.ExitInconclusive, word: outcome.NoFault,
		},
		{
			name: "the disk was read while it was whole", mutate: wholeOnDisk,
			status: rundir.StatusMissed, code: report.ExitInconclusive, word: outcome.Durable,
		},
		{
			name: "nobody read the disk", mutate: func(e *scenarios.Evidence) { dropOps(e, isTruth) },
			status: rundir.StatusMissed, code: report.ExitInconclusive,
		},
		{
			name: "nothing recorded", mutate: func(e *scenarios.Evidence) { e.Ops = nil },
			status: rundir.StatusMissed, code: report.ExitInconclusive,
		},
		{
			name: "the judge panics", named: panics(true),
			status: rundir.StatusMissed, code: report.ExitInconclusive, word: outcome.Inconclusive,
		},
		{
			name: "cut short", mutate: func(e *scenarios.Evidence) { e.Trial.Finished = false },
			status: rundir.StatusInconclusive, code: report.ExitInconclusive, word: outcome.Inconclusive,
		},
		{
			name: "the lab broke", mutate: func(e *scenarios.Evidence) { e.Trial.Error = "agent of worker1 is gone" },
			status: rundir.StatusInfra, code: report.ExitInconclusive, word: outcome.InfraError,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := recorded(t, controlTrial)
			if tc.mutate != nil {
				tc.mutate(e)
			}
			if tc.named == nil {
				tc.named = scenarios.Named
			}
			v, code := checked(t, e, tc.named)
			if v.Status != tc.status || code != tc.code {
				t.Errorf("status %s, exit code %d, want %s, %d: %s", v.Status, code, tc.status, tc.code, words(v))
			}
			if tc.word != "" && !has(v, tc.word) {
				t.Errorf("no %s among %s", tc.word, words(v))
			}
		})
	}
}

// TestEveryControl checks on a real trial of every control that it is caught,
// and missed when its detector is switched off.
func TestEveryControl(t *testing.T) {
	t.Parallel()
	controls := map[string]func(scenarios.Detector) scenarios.Scenario{
		"nfs.control-flipped-byte":             scenarios.ControlFlippedByte,
		"nfs.control-removed-record":           scenarios.ControlRemovedRecord,
		"nfs.control-lost-lock":                scenarios.ControlLostLock,
		"nfs.control-stale-read":               scenarios.ControlStaleRead,
		"nfs.control-leaked-mount":             scenarios.ControlLeakedMount,
		"nfs.control-no-fault":                 scenarios.ControlNoFault,
		"kubelet.control-zombie-writer":        scenarios.ControlZombieWriter,
		"share-server.server-pod-wrong-target": scenarios.ServerPodWrongTarget,
	}
	for _, s := range scenarios.List() {
		if !s.Control {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			control := controls[s.Recorded()]
			if control == nil {
				t.Fatalf("%s is not tested with its detector switched off", s.ID())
			}
			off := func(string) (scenarios.Scenario, bool) { return control(nil), true }
			for _, tc := range []struct {
				name   string
				named  lookup
				status rundir.Status
				code   int
			}{
				{"as recorded", scenarios.Named, rundir.StatusCaught, report.ExitExpected},
				{"detector switched off", off, rundir.StatusMissed, report.ExitInconclusive},
			} {
				v, code := checked(t, recorded(t, s.Recorded()), tc.named)
				if v.Status != tc.status || code != tc.code {
					t.Errorf("%s: status %s, exit code %d, want %s, %d: %s", tc.name, v.Status, code, tc.status, tc.code, words(v))
				}
			}
		})
	}
}

// TestMissedControlSpoilsTheRun checks that a run of cells which are all as
// expected is worth nothing beside a control that was missed.
func TestMissedControlSpoilsTheRun(t *testing.T) {
	t.Parallel()
	index := rundir.Index{}
	for _, name := range []string{"nfs.close-to-open", "kubelet.kubelet-restart"} {
		v, code := checked(t, recorded(t, name), scenarios.Named)
		if code != report.ExitExpected {
			t.Fatalf("%s as recorded: exit code %d: %s", name, code, words(v))
		}
		index.Verdicts = append(index.Verdicts, v)
	}
	off := func(string) (scenarios.Scenario, bool) { return scenarios.ControlFlippedByte(nil), true }
	v, _ := checked(t, recorded(t, controlTrial), off)
	index.Verdicts = append(index.Verdicts, v)
	if code := report.Exit(index); code != report.ExitInconclusive {
		t.Errorf("exit code %d, want %d", code, report.ExitInconclusive)
	}
}

// wholeOnDisk makes the truth show what was appended, in place of what was
// spoilt.
func wholeOnDisk(e *scenarios.Evidence) {
	there := map[string]bool{}
	for _, op := range e.Ops {
		if isTruth(op) {
			there[op.Value] = true
		}
	}
	for i := range e.Ops {
		truth := &e.Ops[i]
		if !isTruth(*truth) || truth.Kind == history.KindToken {
			continue
		}
		for _, op := range e.Ops {
			if op.Func == history.Append && !there[op.Value] {
				truth.Kind, truth.Value = history.KindToken, op.Value
			}
		}
	}
}

// panics finds for every name a scenario whose judge panics.
func panics(isControl bool) lookup {
	return func(string) (scenarios.Scenario, bool) {
		return scenarios.Scenario{Name: "panics", Family: "test", Control: isControl, Judge: func(*scenarios.Evidence) scenarios.Judgement {
			panic("index out of range")
		}}, true
	}
}
