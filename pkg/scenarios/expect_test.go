package scenarios

import (
	"path"
	"slices"
	"testing"

	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// TestExpectationTable checks that every row can match, names words of the
// vocabulary, and says why; and that every cell of the built-in matrix has one.
func TestExpectationTable(t *testing.T) {
	t.Parallel()
	for _, row := range expectations() {
		if row.Why == "" || row.Source == "" {
			t.Errorf("%s %v: no reason or no source", row.Scenario, row.Profiles)
		}
		for _, text := range []string{row.Kernel, row.Kubelet} {
			if _, err := parseReleaseRange(text); err != nil {
				t.Errorf("%s %v: %v", row.Scenario, row.Profiles, err)
			}
		}
		if len(row.Allowed) == 0 {
			t.Errorf("%s %v allows nothing", row.Scenario, row.Profiles)
		}
		for _, pattern := range slices.Concat([]string{row.Scenario}, row.Modes, row.Profiles) {
			if _, err := path.Match(pattern, "x"); err != nil {
				t.Errorf("%s: pattern %q: %v", row.Scenario, pattern, err)
			}
		}
		for _, a := range row.Allowed {
			if !a.Word.Known() {
				t.Errorf("%s %v: %q is not in the vocabulary", row.Scenario, row.Profiles, a.Word)
			}
			if a.Max != 0 && a.Word.Unit() == "" {
				t.Errorf("%s %v: %s takes no figure", row.Scenario, row.Profiles, a)
			}
			if a.Word.Group() == outcome.Trial {
				t.Errorf("%s %v: %s can never be expected", row.Scenario, row.Profiles, a)
			}
		}
	}
}

// TestExpectationCoversTheMatrix checks that every scenario x mode x built-in
// profile has a row that holds for every release, so that a lab of another
// one is not NEW for want of one; and that every row is the first for some
// cell, or it would never count.
func TestExpectationCoversTheMatrix(t *testing.T) {
	t.Parallel()
	first := make([]bool, len(expectations()))
	for _, s := range All() {
		if s.Control {
			continue
		}
		for _, mode := range append([]string{""}, s.Modes...) {
			columns := s.Profiles
			if columns == nil {
				columns = nfs.Builtin()
			}
			for _, p := range columns {
				if !cover(s.ID(), mode, p.Name, first) {
					t.Errorf("%s %s x %s has no expectation for every release", s.ID(), mode, p.Name)
				}
			}
		}
	}
	for i, row := range expectations() {
		if !first[i] {
			t.Errorf("%s %v x %v never counts: other rows come before it, or nothing has its name", row.Scenario, row.Modes, row.Profiles)
		}
	}
}

// cover marks the rows that count for a cell on some release, and says whether
// one counts on every release.
func cover(scenario, mode, profile string, first []bool) bool {
	for i, row := range expectations() {
		if row.names(scenario, mode, profile) {
			first[i] = true
			if row.everywhere() {
				return true
			}
		}
	}
	return false
}

func TestSurprises(t *testing.T) {
	t.Parallel()
	row := Expectation{Allowed: allow("BOUNDED_STALE<=1500", "DURABLE")}
	for _, tc := range []struct {
		name  string
		o     outcome.Outcome
		admit bool
	}{
		{"within the limit", outcome.New(outcome.BoundedStale, "").WithFigure(outcome.Millis(1400, 1)), true},
		{"over the limit", outcome.New(outcome.BoundedStale, "").WithFigure(outcome.Millis(1600, 1)), false},
		{"had not ended", outcome.New(outcome.BoundedStale, "").WithFigure(&outcome.Figure{Value: 10, Unit: "ms", More: true}), false},
		{"listed", outcome.New(outcome.Durable, ""), true},
		{"not listed", outcome.New(outcome.AckedLost, ""), false},
		{"the trial's own are never expected", outcome.New(outcome.Inconclusive, ""), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := len(row.Surprises([]outcome.Outcome{tc.o})) == 0; got != tc.admit {
				t.Errorf("admitted %v, want %v", got, tc.admit)
			}
		})
	}
}
