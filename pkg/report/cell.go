package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// Cell is a scenario with a profile: all of its repeats in one.
type Cell struct {
	Scenario string        `json:"scenario"`
	Mode     string        `json:"mode,omitempty"` // "" for the trial as a whole
	Profile  string        `json:"profile"`
	Status   rundir.Status `json:"status"`        // the worst of the repeats
	Words    []Word        `json:"words"`         // the worst word of each group, over all repeats
	Repeats  []Repeat      `json:"repeats"`       // each execution on its own
	Expected []string      `json:"expected"`      // outcomes that the cell may have
	Why      string        `json:"why,omitempty"` // reason of the expectation
	Source   string        `json:"source,omitempty"`
	Repro    string        `json:"repro"` // command that repeats the cell
	Notes    []string      `json:"notes,omitempty"`
	// Figures are what was measured beside the outcomes, each over all repeats that
	// measured it: Value and Max the largest, Median theirs, Count their number.
	Figures []rundir.Measure `json:"figures,omitempty"`

	hasModes bool // its modes have cells of their own
}

// Word is a word that a cell shows, over its repeats.
type Word struct {
	Group  outcome.Group   `json:"group"`
	Word   outcome.Word    `json:"word"`
	Figure *outcome.Figure `json:"figure,omitempty"` // of several repeats: Value and Max the largest, Median of their values, Count repeats
	New    bool            `json:"new,omitempty"`    // not among the expected
	Times  int             `json:"times"`            // repeats that had the word (as the worst of its group, unless it is NEW)
}

// Repeat is one execution of a cell.
type Repeat struct {
	Repeat   int                  `json:"repeat"`
	Status   rundir.Status        `json:"status"`
	Dir      string               `json:"dir"`                // of the trial, relative to the run directory
	TookS    float64              `json:"took_s"`             // s
	Script   string               `json:"script,omitempty"`   // that repeats it by hand, relative to the run directory
	Retries  int                  `json:"retries,omitempty"`  // earlier executions that the infrastructure spoilt
	Outcomes []outcome.Outcome    `json:"outcomes,omitempty"` // all of them
	Models   []rundir.ModelResult `json:"models,omitempty"`
	Figures  []rundir.Measure     `json:"figures,omitempty"` // what was measured beside the outcomes
}

// settle works out what the cell shows from its repeats.
func (c *Cell) settle() {
	slices.SortFunc(c.Repeats, func(a, b Repeat) int { return a.Repeat - b.Repeat })
	statuses := make([]rundir.Status, len(c.Repeats))
	for i := range c.Repeats {
		statuses[i] = c.Repeats[i].Status
	}
	c.Status = rundir.Worst(statuses...)
	c.Words = c.worstWords()
	c.Figures = c.summed()
}

func (c *Cell) worstWords() []Word {
	var all []outcome.Outcome
	each := make([]map[outcome.Group]outcome.Outcome, len(c.Repeats))
	for i, r := range c.Repeats {
		each[i] = outcome.Worst(r.Outcomes)
		all = append(all, r.Outcomes...)
	}
	worst := outcome.Worst(all)
	words := []Word{}
	for _, g := range outcome.Groups() {
		o, ok := worst[g]
		if !ok {
			continue
		}
		w := Word{Group: g, Word: o.Word, New: c.surprising(o)}
		var figures []*outcome.Figure
		for _, e := range each {
			if mine, ok := e[g]; ok && mine.Word == o.Word {
				w.Times++
				if mine.Figure != nil {
					figures = append(figures, mine.Figure)
				}
			}
		}
		w.Figure = combine(o.Figure, figures)
		words = append(words, w)
		words = append(words, c.hidden(g, o.Word)...)
	}
	return words
}

// hidden returns the words of a group that are NEW and that a worse one, which
// is not, would hide.
func (c *Cell) hidden(g outcome.Group, shown outcome.Word) []Word {
	var words []Word
	for _, w := range g.Words() {
		var list []outcome.Outcome
		times := 0
		for _, r := range c.Repeats {
			before := len(list)
			for _, o := range r.Outcomes {
				if o.Word == w && w != shown && c.surprising(o) {
					list = append(list, o)
				}
			}
			if len(list) > before {
				times++
			}
		}
		if o, ok := outcome.Worst(list)[g]; ok {
			words = append(words, Word{Group: g, Word: w, Figure: o.Figure, New: true, Times: times})
		}
	}
	return words
}

// combine returns the figure of one repeat as it is, and for several one that
// sums them up. largest is the one that outcome.Worst chose.
func combine(largest *outcome.Figure, figures []*outcome.Figure) *outcome.Figure {
	if len(figures) < 2 {
		return largest
	}
	values := make([]float64, 0, len(figures))
	bound := 0.0
	for _, f := range figures {
		if f.Unit != largest.Unit {
			return largest
		}
		values = append(values, f.Value)
		bound = max(bound, f.Err)
	}
	sum := outcome.Summarize(largest.Unit, values, bound)
	sum.More = largest.More
	return sum
}

// surprising reports whether an outcome of a NEW cell is what makes it so.
func (c *Cell) surprising(o outcome.Outcome) bool {
	if c.Status != rundir.StatusNew || o.Word.Group() == outcome.Trial {
		return false
	}
	for _, text := range c.Expected {
		name, limit, limited := strings.Cut(text, "(<=")
		if strings.TrimSpace(name) != string(o.Word) {
			continue
		}
		most, err := outcome.ParseFigure(strings.TrimSuffix(limit, ")"))
		if !limited || err != nil || o.Figure == nil {
			return false
		}
		return o.Figure.Unit != most.Unit || o.Figure.Value > most.Value || o.Figure.More
	}
	return true
}

// lines returns what the cell shows in a matrix: a word a line, with "!"
// before what is NEW and "?" before what could not be decided.
func (c *Cell) lines() []string {
	mark := map[rundir.Status]string{rundir.StatusNew: "!", rundir.StatusInconclusive: "?", rundir.StatusInfra: "?"}[c.Status]
	var lines []string
	switch c.Status {
	case rundir.StatusNotApplicable:
		return []string{"n/a"}
	case rundir.StatusCaught:
		lines = append(lines, "caught")
	case rundir.StatusMissed:
		lines = append(lines, "MISSED")
	}
	marked := false
	for _, w := range c.Words {
		text := w.text(len(c.Repeats))
		if w.New || mark == "?" && w.Group == outcome.Trial {
			text, marked = mark+" "+text, true
		}
		lines = append(lines, text)
	}
	if mark != "" && !marked {
		lines = append([]string{mark + " " + string(c.Status)}, lines...)
	}
	return lines
}

// text is the word with its figure, and how many of the repeats had it when
// not all did.
func (w Word) text(repeats int) string {
	text := string(w.Word)
	if w.Figure != nil {
		text += " " + w.Figure.String()
		if w.Times > 1 && w.Figure.Count == w.Times && w.Figure.Median != w.Figure.Max {
			median := outcome.Figure{Value: w.Figure.Median, Unit: w.Figure.Unit}
			text += " med " + median.String()
		}
	}
	if w.Times < repeats {
		text += fmt.Sprintf(" %d/%d", w.Times, repeats)
	}
	return text
}
