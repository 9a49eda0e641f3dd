package scenarios

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/outcome"
)

// Allowed is one outcome that a cell may have. A figure may not exceed Max
// (in the unit of the word: s or ms); Max 0 is no limit.
type Allowed struct {
	Word outcome.Word
	Max  float64
}

// String is the word, with its limit when it has one.
func (a Allowed) String() string {
	if a.Max == 0 {
		return string(a.Word)
	}
	return fmt.Sprintf("%s(<= %g %s)", a.Word, a.Max, a.Word.Unit())
}

func (a Allowed) admits(o outcome.Outcome) bool {
	if a.Word != o.Word {
		return false
	}
	return a.Max == 0 || o.Figure == nil || o.Figure.Unit == a.Word.Unit() && o.Figure.Value <= a.Max && !o.Figure.More
}

// Expectation is one row of the reviewed table: which outcomes the cells that
// it names may have, why, and who says so.
type Expectation struct {
	Scenario string   // glob on family/name
	Modes    []string // globs on the mode; nil is every mode and the trial as a whole
	Profiles []string // globs on the profile
	// Kernel is the range of the clients' kernels that the row holds for, as in
	// ">=6.0 <6.13"; empty is every kernel. With a range the row counts only when
	// every client of the trial is in it.
	Kernel string
	// Kubelet is the same for the clients' kubelets, as in ">=1.32".
	Kubelet string
	Allowed []Allowed
	Why     string
	Source  string
}

// Expected returns the first row of the table that names the cell; mode is ""
// for the trial as a whole. ok is false when none does: then everything measured
// is new.
func Expected(scenario, mode, profile string, on Releases) (e Expectation, ok bool) {
	for _, row := range expectations() {
		if row.names(scenario, mode, profile) && row.on(on) {
			return row, true
		}
	}
	return Expectation{}, false
}

func (e Expectation) names(scenario, mode, profile string) bool {
	return matches(e.Scenario, scenario) && (e.Modes == nil || anyMatches(e.Modes, mode)) && anyMatches(e.Profiles, profile)
}

// Releases are what a trial's clients run, each release once: kernels as `uname
// -r` names them, kubelets as `kubelet --version` does.
type Releases struct{ Kernels, Kubelets []string }

// on says whether the row holds for clients of these releases. A malformed
// range, which a test finds, holds for none.
func (e Expectation) on(r Releases) bool {
	kernel, err1 := parseReleaseRange(e.Kernel)
	kubelet, err2 := parseReleaseRange(e.Kubelet)
	return err1 == nil && err2 == nil && kernel.has(r.Kernels) && kubelet.has(r.Kubelets)
}

// everywhere says whether the row holds for every release.
func (e Expectation) everywhere() bool { return e.Kernel == "" && e.Kubelet == "" }

func anyMatches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// matches is path.Match for the table's own patterns, which a test checks.
func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Surprises returns the outcomes that the row does not allow.
func (e Expectation) Surprises(outcomes []outcome.Outcome) []outcome.Outcome {
	var out []outcome.Outcome
	for _, o := range outcomes {
		admitted := false
		for _, a := range e.Allowed {
			admitted = admitted || a.admits(o)
		}
		if !admitted {
			out = append(out, o)
		}
	}
	return out
}

// Strings lists what is allowed, for a report.
func (e Expectation) Strings() []string {
	out := make([]string, len(e.Allowed))
	for i, a := range e.Allowed {
		out[i] = a.String()
	}
	return out
}

// allow builds a list from words, some with a limit as in
// "BOUNDED_STALE<=4000".
func allow(words ...string) []Allowed {
	out := make([]Allowed, len(words))
	for i, w := range words {
		name, limit, ok := strings.Cut(w, "<=")
		out[i].Word = outcome.Word(name)
		if ok {
			if _, err := fmt.Sscanf(limit, "%g", &out[i].Max); err != nil {
				panic(fmt.Sprintf("expectation table: %q: %v", w, err))
			}
		}
	}
	return out
}

// expectations is the reviewed table, written from documentation and source
// before anything was measured. The first row that matches counts. A
// measurement that contradicts it is NEW until docs/findings.md explains it.
// It is cut by what the scenarios look at, a file each.
func expectations() []Expectation {
	return slices.Concat(expectedReads(), expectedWriters(), expectedFaults(), expectedKubelet(), expectedShare())
}
