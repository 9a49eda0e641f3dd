package scenarios

import (
	"os"
	"strings"
	"testing"
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
