// Package outcome is the closed vocabulary of what a trial can end in: words,
// the groups they belong to, and which of two words of a group is worse.
//
//	o, err := outcome.Parse("BOUNDED_STALE(2900 ms)")
//	worst := outcome.Worst(outcomes)[outcome.Consistency]
package outcome

import (
	"fmt"
	"strings"
)

// Outcome is one word about a trial with what it rests on.
type Outcome struct {
	Word     Word     `json:"word"`
	Figure   *Figure  `json:"figure,omitempty"`   // nil when the word has none, or none was measured
	Evidence string   `json:"evidence,omitempty"` // one sentence for a person: what was seen, in figures
	Vantage  []string `json:"vantage,omitempty"`  // who saw it: pod, client2, wire, disk, api, node
	Files    []string `json:"files,omitempty"`    // files of the trial's directory that show it
}

// New returns an outcome with its evidence formatted as by fmt.Sprintf.
func New(w Word, evidence string, args ...any) Outcome {
	if len(args) > 0 {
		evidence = fmt.Sprintf(evidence, args...)
	}
	return Outcome{Word: w, Evidence: evidence}
}

// WithFigure returns a copy of the outcome that carries f.
func (o Outcome) WithFigure(f *Figure) Outcome {
	o.Figure = f
	return o
}

// From returns a copy of the outcome that names the vantage points it rests on.
func (o Outcome) From(vantage ...string) Outcome {
	o.Vantage = append(append([]string(nil), o.Vantage...), vantage...)
	return o
}

// In returns a copy of the outcome that names the files, relative to the
// trial's directory, that show it.
func (o Outcome) In(files ...string) Outcome {
	o.Files = append(append([]string(nil), o.Files...), files...)
	return o
}

// String returns the word with its figure, as in "BOUNDED_STALE(2900 ms)".
func (o Outcome) String() string {
	if o.Figure == nil {
		return string(o.Word)
	}
	return string(o.Word) + "(" + o.Figure.String() + ")"
}

// Parse reads what String wrote: a word, and its figure in parentheses if it
// has one. A word outside the vocabulary, and a figure on a word that takes
// none, are errors.
func Parse(s string) (Outcome, error) {
	name, rest, hasFigure := strings.Cut(strings.TrimSpace(s), "(")
	word := Word(strings.TrimSpace(name))
	if !word.Known() {
		return Outcome{}, fmt.Errorf("parse outcome %q: %q is not in the vocabulary", s, word)
	}
	if !hasFigure {
		return Outcome{Word: word}, nil
	}
	text, found := strings.CutSuffix(rest, ")")
	if !found {
		return Outcome{}, fmt.Errorf("parse outcome %q: no closing parenthesis", s)
	}
	figure, err := ParseFigure(text)
	if err != nil {
		return Outcome{}, fmt.Errorf("parse outcome %q: %w", s, err)
	}
	if word.Unit() == "" {
		return Outcome{}, fmt.Errorf("parse outcome %q: %s takes no figure", s, word)
	}
	return Outcome{Word: word, Figure: figure}, nil
}
