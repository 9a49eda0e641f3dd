package scenarios

import (
	"encoding/json"
	"os"
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
	for _, s := range List() {
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
	}
	for _, s := range List() {
		if !recorded[s.Recorded()] || !judged[s.Recorded()] {
			t.Errorf("%s: finished trial in testdata/run: %v, verdict in testdata/verdicts.json: %v; see testdata/README.md", s.ID(), recorded[s.Recorded()], judged[s.Recorded()])
		}
	}
}
