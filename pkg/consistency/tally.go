package consistency

import (
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// tally gathers what one model says about the files of a history.
type tally struct {
	checked  int
	violated int
	witness  []history.Op
	words    string // of the first violation
	unknown  string // first reason why something could not be decided

	unit    string    // of samples
	samples []float64 // measured durations
	errNS   int64     // largest error bound of a sample
	open    float64   // largest sample of a duration that had not ended; 0 if all did
}

// violate counts a violation, and keeps the first as the witness. Nil
// operations are left out of it.
func (t *tally) violate(ops []*history.Op, format string, args ...any) {
	t.violated++
	if t.violated > 1 {
		return
	}
	for _, op := range ops {
		if op != nil {
			t.witness = append(t.witness, *op)
		}
	}
	t.words = fmt.Sprintf(format, args...)
}

func (t *tally) undecided(format string, args ...any) {
	if t.unknown == "" {
		t.unknown = fmt.Sprintf(format, args...)
	}
}

func (t *tally) result(model string) Result {
	r := Result{Model: model, Checked: t.checked, Figure: t.figure()}
	switch {
	case t.violated > 0:
		r.Verdict, r.Witness, r.Words = Violated, t.witness, t.words
		if t.violated > 1 {
			r.Words += fmt.Sprintf(" (and %d more of %d)", t.violated-1, t.checked)
		}
	case t.unknown != "":
		r.Verdict, r.Words = Unknown, t.unknown
	case r.Figure != nil && r.Figure.More:
		r.Verdict, r.Words = Unknown, "a reader had not become fresh at its last read: "+r.Figure.String()
	case t.checked == 0:
		r.Verdict, r.Words = Unknown, "nothing in the history to check"
	default:
		r.Verdict, r.Words = Holds, fmt.Sprintf("%d operations checked", t.checked)
	}
	return r
}

func (t *tally) figure() *outcome.Figure {
	perUnit := float64(time.Millisecond)
	if t.unit == "s" {
		perUnit = float64(time.Second)
	}
	f := outcome.Summarize(t.unit, t.samples, float64(t.errNS)/perUnit)
	if f != nil && t.open > 0 && t.open >= f.Max {
		f.More = true
	}
	return f
}

// label names an operation for a person.
func label(op *history.Op) string {
	if op == nil {
		return "the initial state"
	}
	return fmt.Sprintf("%s of %q by %s", op.Func, op.Value, op.Client)
}

// labels names operations in their order.
func labels(ops []*history.Op) string {
	var names []string
	for _, op := range ops {
		names = append(names, label(op))
	}
	return strings.Join(names, "; ")
}

// span prints a duration in ns for a person.
func span(ns int64) string { return time.Duration(ns).Round(time.Microsecond).String() }
