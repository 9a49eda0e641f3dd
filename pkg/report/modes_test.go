package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// withModes makes a run directory by hand, of many profiles and modes. Its
// figures are invented.
func withModes(t testing.TB) *rundir.Run {
	t.Helper()
	started := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	const scenario = "nfs.attr-cache"
	meta := rundir.RunMeta{ID: "modes-1", Started: started, Ended: started.Add(time.Minute), NfsimVersion: "v0.0.0-synthetic", Seed: 7, LeaseS: 90, GraceS: 90, Full: true}
	b := rundir.Batch{Name: scenario}
	for i := range 16 {
		b.Cells = append(b.Cells, rundir.Cell{Scenario: scenario, Profile: fmt.Sprintf("profile-%02d", i), Repeat: 1})
	}
	meta.Batches = []rundir.Batch{b}
	run, err := rundir.Create(t.TempDir(), meta)
	check(t, err)
	check(t, run.WriteFingerprint(rundir.Fingerprint{"server": {"kernel": "0.0.1-synthetic"}}))
	model := func(name, verdict, words string) rundir.ModelResult {
		return rundir.ModelResult{Model: name, Verdict: verdict, Words: words, Checked: 10}
	}
	stale := func(ms float64) outcome.Outcome {
		return outcome.New(outcome.BoundedStale, "read t1 %g ms after t2 took its place", ms).WithFigure(outcome.Millis(ms, 1)).From("client2").In("history.jsonl")
	}
	for i, c := range b.Cells {
		v := rundir.Verdict{
			Status: rundir.StatusExpected, Outcomes: []outcome.Outcome{outcome.New(outcome.Clean, "")}, Expected: []string{"CLEAN"},
			Modes: []rundir.ModeVerdict{
				{Mode: "held-ro", Status: rundir.StatusExpected, Outcomes: []outcome.Outcome{stale(2900 + float64(i))}, Expected: []string{"BOUNDED_STALE(<= 4000 ms)"},
					Models: []rundir.ModelResult{model("monotonic-reads", "holds", ""), model("close-to-open", "violated", "client2 read an old one")}},
				{Mode: "direct", Status: rundir.StatusExpected, Outcomes: []outcome.Outcome{outcome.New(outcome.Linearizable, "")}, Expected: []string{"LINEARIZABLE"},
					Models: []rundir.ModelResult{model("close-to-open", "holds", ""), model("linearizable", "holds", "")}, Notes: []string{"one note for all"}},
			},
		}
		switch {
		case i == 15:
			v = rundir.Verdict{Status: rundir.StatusNotApplicable, Outcomes: []outcome.Outcome{outcome.New(outcome.NotApplicable, "left out of a quick run")}}
		case i%5 == 2:
			m := &v.Modes[1]
			v.Status, m.Status = rundir.StatusNew, rundir.StatusNew
			m.Outcomes = []outcome.Outcome{stale(100 + float64(i))}
			m.Why, m.Source = "O_DIRECT asks the server", "open(2)"
			m.Models[1] = model("linearizable", "violated", "client2 read t1 after t2")
		}
		record(t, run, c.Scenario, c.Profile, 1, nil, v)
	}
	_, err = run.WriteIndex()
	check(t, err)
	return run
}

func TestGoldenModes(t *testing.T) {
	t.Parallel()
	r, err := Build(withModes(t))
	check(t, err)
	r.Dir = "runs/modes-1"
	for file, format := range map[string]string{"modes-120.txt": "text", "modes.md": "markdown"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			check(t, Write(&b, format, r, TextOptions{Width: 120}))
			path := filepath.Join("testdata", file)
			if *update {
				check(t, os.WriteFile(path, b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			check(t, err)
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("(-want +got; go test ./pkg/report -update)\n%s", diff)
			}
		})
	}
}

// TestModesAreRowsBelow checks the JSON form: modes are rows of their own below
// the scenario's, and count for no cell.
func TestModesAreRowsBelow(t *testing.T) {
	t.Parallel()
	r, err := Build(withModes(t))
	check(t, err)
	var b bytes.Buffer
	check(t, JSON(&b, r))
	var back Report
	check(t, json.Unmarshal(b.Bytes(), &back))
	row := back.Tables[0].Rows[0]
	var modes []string
	for _, m := range row.Modes {
		modes = append(modes, m.Mode)
		if len(m.Cells) != len(row.Cells) {
			t.Errorf("%s has %d cells, the scenario %d", m.Mode, len(m.Cells), len(row.Cells))
		}
	}
	if diff := cmp.Diff([]string{"held-ro", "direct"}, modes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"expected": 12, "NEW": 3, "not-applicable": 1}, back.Counts); diff != "" {
		t.Error(diff)
	}
	if row.Cells[2].Status != rundir.StatusNew || row.Modes[0].Cells[2].Status != rundir.StatusExpected || row.Modes[1].Cells[2].Status != rundir.StatusNew {
		t.Error("the NEW mode is not where it is")
	}
	if row.Modes[0].Cells[15] != nil {
		t.Error("a cell that was not executed has modes")
	}
}

// TestSectionsStayShort checks that what profiles have in common is said once.
func TestSectionsStayShort(t *testing.T) {
	t.Parallel()
	r, err := Build(withModes(t))
	check(t, err)
	for _, s := range r.sections() {
		lines := 0
		for _, it := range s.items {
			lines += 1 + len(it.lines)
		}
		if lines > 6 {
			t.Errorf("section %q has %d lines for 16 profiles that are mostly alike", s.title, lines)
		}
	}
	titles := []string{}
	for _, it := range r.items(rundir.StatusNew) {
		titles = append(titles, it.title)
	}
	if !slices.Equal(titles, []string{"nfs/attr-cache direct x profile-02, profile-07, profile-12"}) {
		t.Errorf("%q", strings.Join(titles, "; "))
	}
}
