package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	t.Parallel()
	r, err := Build(synthetic(t))
	check(t, err)
	r.Dir = "runs/synthetic-1"
	tests := []struct {
		file, format string
		opts         TextOptions
	}{
		{"synthetic-120.txt", "text", TextOptions{}},
		{"synthetic-180.txt", "text", TextOptions{Width: 180}},
		{"synthetic-colour.txt", "text", TextOptions{Width: 160, Color: true}},
		{"synthetic.md", "markdown", TextOptions{}},
		{"synthetic.json", "json", TextOptions{}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			check(t, Write(&b, tt.format, r, tt.opts))
			path := filepath.Join("testdata", tt.file)
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

func TestTextFitsItsWidth(t *testing.T) {
	t.Parallel()
	r, err := Build(synthetic(t))
	check(t, err)
	for _, width := range []int{120, 140, 200} {
		var b bytes.Buffer
		check(t, Text(&b, r, TextOptions{Width: width}))
		for l := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > width {
				t.Errorf("width %d: line of %d: %s", width, n, l)
			}
		}
	}
}

func TestManyProfilesAreSplit(t *testing.T) {
	t.Parallel()
	table := Table{Rows: []Row{{Scenario: "nfs.close-to-open"}}}
	for i := range 16 {
		p := fmt.Sprintf("profile-%02d", i)
		c := &Cell{Scenario: "nfs.close-to-open", Profile: p, Repeats: []Repeat{{Status: rundir.StatusExpected,
			Outcomes: []outcome.Outcome{outcome.New(outcome.RecoveredAfterGrace, "").WithFigure(outcome.Seconds(100, 0))}}}}
		c.settle()
		table.Profiles = append(table.Profiles, p)
		table.Rows[0].Cells = append(table.Rows[0].Cells, c)
	}
	var b bytes.Buffer
	check(t, Text(&b, &Report{Tables: []Table{table}}, TextOptions{Width: 120}))
	for _, p := range table.Profiles {
		if strings.Count(b.String(), p) != 1 {
			t.Errorf("%s is not there once", p)
		}
	}
	if n := strings.Count(b.String(), "nfs/close-to-open"); n != 4 {
		t.Errorf("%d tables\n%s", n, b.String())
	}
	for l := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(l) > 121 {
			t.Errorf("too wide: %s", l)
		}
	}
}

func TestColourOnlyAddsEscapes(t *testing.T) {
	t.Parallel()
	r, err := Build(synthetic(t))
	check(t, err)
	var plain, coloured bytes.Buffer
	check(t, Text(&plain, r, TextOptions{}))
	check(t, Text(&coloured, r, TextOptions{Color: true}))
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("escape sequences without colour")
	}
	if !strings.Contains(coloured.String(), "\x1b[") {
		t.Error("no escape sequences with colour")
	}
	stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.String(), "")
	if diff := cmp.Diff(plain.String(), stripped); diff != "" {
		t.Errorf("(-plain +stripped)\n%s", diff)
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	const (
		ok, bad, caught, missed = rundir.StatusExpected, rundir.StatusNew, rundir.StatusCaught, rundir.StatusMissed
		unclear, infra, na      = rundir.StatusInconclusive, rundir.StatusInfra, rundir.StatusNotApplicable
	)
	tests := []struct {
		name     string
		statuses []rundir.Status
		want     int
	}{
		{"all as expected", []rundir.Status{ok, ok, caught, na}, 0},
		{"something new", []rundir.Status{ok, bad, caught}, 1},
		{"new beats inconclusive", []rundir.Status{unclear, bad, infra}, 1},
		{"inconclusive", []rundir.Status{ok, unclear}, 2},
		{"infrastructure", []rundir.Status{ok, infra}, 2},
		{"missed control beats all", []rundir.Status{ok, bad, missed}, 2},
		{"nothing", nil, 2},
		{"nothing that applies", []rundir.Status{na}, 2},
		{"status of another version", []rundir.Status{ok, "splendid"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var index rundir.Index
			for _, s := range tt.statuses {
				index.Verdicts = append(index.Verdicts, rundir.Verdict{Status: s})
			}
			if got := Exit(index); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestNeverRunIsNotGreen(t *testing.T) {
	t.Parallel()
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{ID: "x", Batches: []rundir.Batch{{Cells: []rundir.Cell{
		{Scenario: "nfs.a", Profile: "default", Repeat: 1}, {Scenario: "nfs.a", Profile: "v3", Repeat: 1}}}}})
	check(t, err)
	record(t, run, "nfs.a", "default", 1, nil, rundir.Verdict{Status: rundir.StatusExpected, Outcomes: []outcome.Outcome{outcome.New(outcome.Durable, "")}})
	tw, err := run.NewTrial(rundir.TrialMeta{Scenario: "nfs.b", Profile: "v3", Repeat: 1})
	check(t, err)
	check(t, tw.Finish(nil)) // not judged
	_, err = run.WriteIndex()
	check(t, err)
	r, err := Build(run)
	check(t, err)
	want := map[string]int{"expected": 1, "inconclusive": 2}
	if diff := cmp.Diff(want, r.Counts); diff != "" || r.Exit != ExitInconclusive {
		t.Errorf("exit %d, counts (-want +got)\n%s", r.Exit, diff)
	}
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	var wrong *FormatError
	if err := Write(&bytes.Buffer{}, "html", &Report{}, TextOptions{}); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
	if err := CheckFormat("pdf"); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "markdown") {
		t.Errorf("got %v", err)
	}
	for _, f := range Formats() {
		if err := CheckFormat(f); err != nil {
			t.Error(err)
		}
	}
}

// FuzzRender makes reports of hostile text: no format may break, let terminal
// escapes through, or break a table's row.
func FuzzRender(f *testing.F) {
	f.Add("nfs.close-to-open", "actimeo=1", "t7 | \x1b[2J `x`", 80)
	f.Add("", "\n|", "<script>", -5)
	f.Fuzz(func(t *testing.T, scenario, profile, evidence string, width int) {
		c := &Cell{Scenario: scenario, Profile: profile, Repro: evidence, Notes: []string{evidence}, Repeats: []Repeat{{
			Repeat: 1, Status: rundir.StatusNew, Outcomes: []outcome.Outcome{outcome.New(outcome.Hung, evidence), {Word: outcome.Word(evidence)}}}}}
		c.settle()
		r := &Report{ID: profile, Tables: []Table{{Profiles: []string{profile}, Rows: []Row{{Scenario: scenario, Cells: []*Cell{c}}}}}}
		var text, md, js bytes.Buffer
		check(t, Text(&text, r, TextOptions{Width: width % 400}))
		check(t, Markdown(&md, r))
		check(t, JSON(&js, r))
		if strings.ContainsAny(text.String()+md.String(), "\x1b\r\x00") {
			t.Error("control characters in the output")
		}
		for l := range strings.Lines(md.String()) {
			if n := strings.Count(l, "|") - strings.Count(l, `\|`); strings.HasPrefix(l, "|") && n != 3 {
				t.Errorf("row with %d bars: %s", n, l)
			}
		}
		if !json.Valid(js.Bytes()) {
			t.Error("invalid JSON")
		}
	})
}
