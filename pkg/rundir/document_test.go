package rundir_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// TestEveryFieldIsDocumented looks for each JSON field in the section of
// docs/run-directory.md that is about its file.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/run-directory.md")
	must(t, err)
	sections := make(map[string]string)
	title := ""
	for l := range strings.Lines(string(data)) {
		if h, ok := strings.CutPrefix(l, "## "); ok {
			title = strings.TrimSpace(h)
		}
		sections[title] += l
	}
	tests := []struct {
		section string
		values  []any
	}{
		{"run.json", []any{rundir.RunMeta{}, rundir.LabMeta{}, rundir.Batch{}, rundir.Cell{}}},
		{"trial.json", []any{rundir.TrialMeta{}, rundir.Pause{}}},
		{"steps.jsonl", []any{rundir.Step{}, rundir.StepRequest{}, rundir.StepPod{}, rundir.StepCall{}}},
		{"history.jsonl", []any{history.Op{}}},
		{"faults.jsonl", []any{rundir.FaultRecord{}}},
		{"observations.jsonl", []any{rundir.Observation{}}},
		{"verdict.json", []any{rundir.Verdict{}, rundir.ModeVerdict{}, rundir.ModelResult{}, outcome.Outcome{}, outcome.Figure{}}},
		{"index.json", []any{rundir.Index{}}},
	}
	for _, tt := range tests {
		text, ok := sections[tt.section]
		if !ok {
			t.Errorf("no section %q", tt.section)
		}
		for _, v := range tt.values {
			typ := reflect.TypeOf(v)
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if !strings.Contains(text, "`"+name+"`") {
					t.Errorf("section %q does not explain %q of %s", tt.section, name, typ)
				}
			}
		}
	}
	for _, s := range rundir.Statuses() {
		if !strings.Contains(sections["verdict.json"], string(s)) {
			t.Errorf("status %q is not documented", s)
		}
	}
}
