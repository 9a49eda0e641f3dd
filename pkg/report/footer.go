package report

import (
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// section is a part below the matrix.
type section struct {
	title string
	items []item
}

// item is what a section says of cells that have something in common: which
// they are, and lines of "name: text".
type item struct {
	title string
	lines [][2]string
}

func (it *item) add(name, format string, args ...any) {
	it.lines = append(it.lines, [2]string{name, fmt.Sprintf(format, args...)})
}

const legend = "a word a line, the worst of each group (nfsim list outcomes); ! NEW: not among the expected; ? undecided; " +
	"caught/MISSED: what a control's detector made of its planted fault; n/a: no meaning with the profile, or not executed; " +
	"med: median of the repeats, before it their largest; k/n: in k of n repeats; indented rows: single ways of reading or writing"

// sections returns what is to be said about single cells.
func (r *Report) sections() []section {
	all := []section{
		{title: "NEW, expected and measured", items: r.items(rundir.StatusNew)},
		{title: "Undecided", items: r.items(rundir.StatusInconclusive, rundir.StatusInfra)},
		{title: "Controls", items: r.items(rundir.StatusMissed, rundir.StatusCaught)},
		{title: "Models, the strongest that holds first", items: r.models()},
		{title: "Figures, of several repeats the largest and the median", items: r.figures()},
		{title: "Notes", items: r.notes()},
		{title: "Not executed", items: r.notExecuted()},
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.items) == 0 })
}

// items returns what is to be said about cells of the statuses: those of one
// row that have one expectation in one item.
func (r *Report) items(statuses ...rundir.Status) []item {
	var items []item
	for _, g := range r.groups(func(c *Cell) bool { return slices.Contains(statuses, c.Status) && c.speaks() }) {
		c := g.cells[0]
		it := item{title: g.title()}
		if c.Status == rundir.StatusNew {
			it.add("expected", "%s", orNothing(c.Expected))
			if c.Why != "" {
				it.add("because", "%s (%s)", c.Why, c.Source)
			}
		}
		if c.control() {
			it.add("planted", "%s", c.Status)
		}
		g.measured(&it)
		if c.Status != rundir.StatusCaught {
			it.add("again", "%s", g.repro())
			if script := g.script(); script != "" {
				it.add("by hand", "%s", script)
			}
		}
		items = append(items, it)
	}
	return items
}

// control says whether the cell is a control's that was judged.
func (c *Cell) control() bool {
	return c.Status == rundir.StatusCaught || c.Status == rundir.StatusMissed
}

// speaks says whether a section has to show the cell itself: a cell whose
// status is only that of a mode is shown by the mode's cell, and a control's
// modes by the control.
func (c *Cell) speaks() bool {
	switch {
	case c.control():
		return c.Mode == ""
	case !c.hasModes:
		return true
	}
	return slices.ContainsFunc(c.Repeats, func(rep Repeat) bool {
		return slices.ContainsFunc(rep.Outcomes, c.relevant)
	})
}

// relevant says whether an outcome is what the cell's section is about.
func (c *Cell) relevant(o outcome.Outcome) bool {
	switch c.Status {
	case rundir.StatusNew:
		return c.surprising(o)
	case rundir.StatusInconclusive, rundir.StatusInfra:
		return o.Word.Group() == outcome.Trial
	}
	return true
}

// notes returns the notes, those that several profiles have only once.
func (r *Report) notes() []item {
	return r.said(func(c *Cell) []string {
		notes := slices.Clone(c.Notes)
		for _, rep := range c.Repeats {
			if rep.Retries > 0 && c.Mode == "" {
				notes = append(notes, fmt.Sprintf("repeat %d was executed %d times more, spoilt by the infrastructure", rep.Repeat, rep.Retries))
			}
		}
		return notes
	})
}

// notExecuted returns why cells are n/a.
func (r *Report) notExecuted() []item {
	return r.said(func(c *Cell) []string {
		var why []string
		for _, rep := range c.Repeats {
			for _, o := range rep.Outcomes {
				if o.Word == outcome.NotApplicable && o.Evidence != "" && !slices.Contains(why, o.Evidence) {
					why = append(why, o.Evidence)
				}
			}
		}
		return why
	})
}
