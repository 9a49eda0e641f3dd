package run

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

const (
	recordedRun    = "../scenarios/testdata/run"
	goldenVerdicts = "../scenarios/testdata/verdicts.json"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRecordedTrials judges one real trial of every scenario again and
// compares with verdicts that were reviewed.
func TestRecordedTrials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(recordedRun)))
	r, err := rundir.Open(dir)
	must(t, err)
	index, err := Check(r)
	must(t, err)
	if code := report.Exit(index); code != report.ExitExpected {
		t.Errorf("exit code %d, want %d", code, report.ExitExpected)
	}
	got, err := os.ReadFile(filepath.Join(dir, "index.json"))
	must(t, err)
	if *update {
		must(t, os.WriteFile(goldenVerdicts, got, 0o644))
	}
	want, err := os.ReadFile(goldenVerdicts)
	must(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("verdicts (-want +got; go test ./pkg/run -run TestRecordedTrials -update):\n%s", diff)
	}
}

// TestCheckTwice checks that a verdict rests on the record alone: the verdicts
// of an earlier check change nothing.
func TestCheckTwice(t *testing.T) {
	t.Parallel()
	r := record(t, recorded(t, "kubelet.kubelet-restart"))
	first, err := Check(r)
	must(t, err)
	second, err := Check(r)
	must(t, err)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("second check (-first +second):\n%s", diff)
	}
}

// recorded returns what was recorded of the real trial of a scenario.
func recorded(t *testing.T, scenario string) *scenarios.Evidence {
	t.Helper()
	r, err := rundir.Open(recordedRun)
	must(t, err)
	print, err := r.Fingerprint()
	must(t, err)
	trials, err := r.Trials()
	must(t, err)
	for _, trial := range trials {
		if trial.Meta.Scenario == scenario {
			e, err := load(r.Meta(), print, trial)
			must(t, err)
			return e
		}
	}
	t.Fatalf("no trial of %s in %s", scenario, recordedRun)
	return nil
}

// record writes a trial into a run directory of its own, as a drive does.
func record(t *testing.T, e *scenarios.Evidence) *rundir.Run {
	t.Helper()
	meta := e.Run
	meta.Batches = []rundir.Batch{{Name: e.Trial.Batch, Cells: []rundir.Cell{e.Trial.Cell()}}}
	r, err := rundir.Create(t.TempDir(), meta)
	must(t, err)
	must(t, r.WriteFingerprint(e.Fingerprint))
	w, err := r.NewTrial(e.Trial)
	must(t, err)
	must(t, w.History().Add(e.Ops...))
	for _, f := range e.Faults {
		must(t, w.Fault(f))
	}
	for _, o := range e.Observations {
		must(t, w.Observe(o))
	}
	must(t, w.LedgerBefore(e.Before))
	must(t, w.LedgerAfter(e.After))
	if !e.Trial.Finished {
		must(t, w.Sync())
		return r
	}
	var cause error
	if e.Trial.Error != "" {
		cause = errors.New(e.Trial.Error)
	}
	must(t, w.Finish(cause))
	return r
}

// checked judges a trial from a run directory and returns the verdict and the
// exit code of the run.
func checked(t *testing.T, e *scenarios.Evidence, named lookup) (rundir.Verdict, int) {
	t.Helper()
	index, err := checkWith(record(t, e), named)
	must(t, err)
	if len(index.Verdicts) != 1 {
		t.Fatalf("%d verdicts, want 1", len(index.Verdicts))
	}
	return index.Verdicts[0], report.Exit(index)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// words formats outcomes for a message.
func words(v rundir.Verdict) string {
	text, err := json.Marshal(v.Outcomes)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
