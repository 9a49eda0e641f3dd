package report

import (
	"fmt"
	"path"
	"strings"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// section is a part below the matrix.
type section struct {
	title string
	items []item
}

// item is one cell of a section: what it is, and lines of "name: text".
type item struct {
	title string
	lines [][2]string
}

const legend = "a word a line, the worst of each group (nfsim list outcomes); ! NEW: not among the expected; ? undecided; " +
	"caught/MISSED: what a control's detector made of its planted fault; n/a: no meaning with the profile; " +
	"med: median of the repeats, before it their largest; k/n: in k of n repeats"

// sections returns what is to be said about single cells.
func (r *Report) sections() []section {
	all := []section{
		{title: "NEW, expected and measured", items: r.items(rundir.StatusNew)},
		{title: "Undecided", items: r.items(rundir.StatusInconclusive, rundir.StatusInfra)},
		{title: "Controls", items: r.items(rundir.StatusMissed, rundir.StatusCaught)},
		{title: "Notes", items: r.notes()},
	}
	var sections []section
	for _, s := range all {
		if len(s.items) > 0 {
			sections = append(sections, s)
		}
	}
	return sections
}

func (r *Report) items(statuses ...rundir.Status) []item {
	var items []item
	for _, c := range r.with(statuses...) {
		it := item{title: c.title()}
		add := func(name, format string, args ...any) {
			it.lines = append(it.lines, [2]string{name, fmt.Sprintf(format, args...)})
		}
		if c.Status == rundir.StatusNew {
			add("expected", "%s", orNothing(c.Expected))
			if c.Why != "" {
				add("because", "%s (%s)", c.Why, c.Source)
			}
		}
		for i := range c.Repeats {
			c.Repeats[i].measured(c, add)
		}
		if c.Status != rundir.StatusCaught {
			add("again", "%s", c.Repro)
		}
		items = append(items, it)
	}
	return items
}

// measured adds the outcomes of a repeat that its cell's section is about.
func (rep *Repeat) measured(c *Cell, add func(name, format string, args ...any)) {
	name := "measured"
	if len(c.Repeats) > 1 {
		name = fmt.Sprintf("measured %d", rep.Repeat)
	}
	if c.Status == rundir.StatusMissed || c.Status == rundir.StatusCaught {
		add("planted", "%s", rep.Status)
	}
	for _, o := range rep.Outcomes {
		relevant := true
		switch c.Status {
		case rundir.StatusNew:
			relevant = c.surprising(o)
		case rundir.StatusInconclusive, rundir.StatusInfra:
			relevant = o.Word.Group() == outcome.Trial
		}
		if !relevant {
			continue
		}
		text := string(o.Word)
		if o.Figure != nil {
			text += " " + o.Figure.Detail()
		}
		if o.Evidence != "" {
			text += ": " + o.Evidence
		}
		if len(o.Vantage) > 0 {
			text += " (seen by " + strings.Join(o.Vantage, ", ") + ")"
		}
		if files := rep.paths(o.Files); files != "" {
			text += " [" + files + "]"
		}
		add(name, "%s", text)
	}
}

// paths returns the files of a repeat, relative to the run directory.
func (rep *Repeat) paths(files []string) string {
	if rep.Dir == "" {
		return ""
	}
	if len(files) == 0 {
		return rep.Dir
	}
	full := make([]string, len(files))
	for i, f := range files {
		full[i] = path.Join(rep.Dir, f)
	}
	return strings.Join(full, ", ")
}

func (r *Report) notes() []item {
	var items []item
	for _, c := range r.cells() {
		it := item{title: c.title()}
		for _, n := range c.Notes {
			it.lines = append(it.lines, [2]string{"note", n})
		}
		for _, rep := range c.Repeats {
			if rep.Retries > 0 {
				it.lines = append(it.lines, [2]string{"note", fmt.Sprintf("repeat %d was executed %d times more, spoilt by the infrastructure", rep.Repeat, rep.Retries)})
			}
		}
		if len(it.lines) > 0 {
			items = append(items, it)
		}
	}
	return items
}

func (c *Cell) title() string { return slashed(c.Scenario) + " x " + c.Profile }

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing: no expectation names this cell"
	}
	return strings.Join(list, ", ")
}
