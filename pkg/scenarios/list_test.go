package scenarios

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// TestEveryScenarioIsDocumented compares the list with docs/scenarios.md.
func TestEveryScenarioIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) == 3 && strings.HasPrefix(cells[0], "`") {
			rows[strings.Trim(cells[0], "`")] = cells[1:]
		}
	}
	for _, s := range All() {
		row, ok := rows[s.ID()]
		if !ok {
			t.Errorf("%s has no row in docs/scenarios.md", s.ID())
			continue
		}
		if row[0] != s.Doc || row[1] != s.Decides {
			t.Errorf("%s: docs/scenarios.md says %q, the code %q", s.ID(), row, []string{s.Doc, s.Decides})
		}
		delete(rows, s.ID())
	}
	for name := range rows {
		t.Errorf("docs/scenarios.md has %s, which does not exist", name)
	}
}

// TestNames checks that names can stand in a path, a pattern and a table.
func TestNames(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, s := range All() {
		seen := map[string]bool{}
		for _, name := range append([]string{s.Name, s.Family}, s.Modes...) {
			if !plain.MatchString(name) {
				t.Errorf("%s: %q is not lower-case words with dashes", s.ID(), name)
			}
			if seen[name] {
				t.Errorf("%s: %q is there twice", s.ID(), name)
			}
			seen[name] = true
		}
	}
}

// TestEveryScenarioHasARecordedTrial checks that testdata holds a real trial of
// every scenario, with the verdict on it; pkg/run judges them again.
func TestEveryScenarioHasARecordedTrial(t *testing.T) {
	t.Parallel()
	r, err := rundir.Open("testdata/run")
	if err != nil {
		t.Fatal(err)
	}
	trials, err := r.Trials()
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]bool{}
	for _, trial := range trials {
		recorded[trial.Meta.Scenario] = trial.Err == nil && trial.Meta.Finished && trial.Meta.Error == ""
	}
	data, err := os.ReadFile("testdata/verdicts.json")
	if err != nil {
		t.Fatal(err)
	}
	var index rundir.Index
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	judged := map[string]bool{}
	for _, v := range index.Verdicts {
		judged[v.Scenario] = true
		s, _ := Named(v.Scenario)
		for _, m := range v.Modes {
			if !slices.Contains(s.Modes, m.Mode) {
				t.Errorf("%s: its judge gives mode %q, which is not among its Modes %q", s.ID(), m.Mode, s.Modes)
			}
		}
	}
	for _, s := range List() {
		if !recorded[s.Recorded()] || !judged[s.Recorded()] {
			t.Errorf("%s: finished trial in testdata/run: %v, verdict in testdata/verdicts.json: %v; see testdata/README.md", s.ID(), recorded[s.Recorded()], judged[s.Recorded()])
		}
	}
}
