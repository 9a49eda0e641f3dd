package report

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/outcome"
)

// group is cells of one row of which one thing is to be said.
type group struct {
	cells []*Cell
	row   []*Cell // all that the row has
}

// rows calls f for every row, those of modes too.
func (r *Report) rows(f func(row *Row)) {
	for _, t := range r.Tables {
		for i := range t.Rows {
			for _, row := range t.Rows[i].lines() {
				f(&row)
			}
		}
	}
}

// present returns the cells that are there.
func (r *Row) present() []*Cell {
	return slices.DeleteFunc(slices.Clone(r.Cells), func(c *Cell) bool { return c == nil })
}

// groups returns the cells that are wanted, those of one row that have one
// status and one expectation together.
func (r *Report) groups(wanted func(c *Cell) bool) []group {
	var out []group
	r.rows(func(row *Row) {
		out = append(out, grouped(row, func(c *Cell) (string, bool) {
			return fmt.Sprintf("%s\x00%q\x00%s\x00%s", c.Status, c.Expected, c.Why, c.Source), wanted(c)
		})...)
	})
	return out
}

// grouped puts cells of a row with one key together, in the order of the row.
func grouped(row *Row, key func(c *Cell) (string, bool)) []group {
	present := row.present()
	at := map[string]int{}
	var out []group
	for _, c := range present {
		k, ok := key(c)
		if !ok {
			continue
		}
		i, seen := at[k]
		if !seen {
			i = len(out)
			at[k] = i
			out = append(out, group{row: present})
		}
		out[i].cells = append(out[i].cells, c)
	}
	return out
}

// profiles lists the group's profiles for a person: of many, those that are
// not in it.
func (g group) profiles() string {
	names := g.names()
	var others []string
	for _, c := range g.row {
		if !slices.Contains(names, c.Profile) {
			others = append(others, c.Profile)
		}
	}
	switch {
	case len(names) > 3 && len(others) == 0:
		return fmt.Sprintf("all %d profiles", len(names))
	case len(names) > len(others)+3:
		return "all but " + strings.Join(others, ", ")
	default:
		return strings.Join(names, ", ")
	}
}

func (g group) names() []string {
	out := make([]string, len(g.cells))
	for i, c := range g.cells {
		out[i] = c.Profile
	}
	return out
}

func (g group) title() string { return g.cells[0].row() + " x " + g.profiles() }

// row names the cell's row.
func (c *Cell) row() string {
	if c.Mode == "" {
		return slashed(c.Scenario)
	}
	return slashed(c.Scenario) + " " + c.Mode
}

// script names the script that repeats one trial of the group by hand: of the
// first cell and repeat that have one.
func (g group) script() string {
	for _, c := range g.cells {
		for _, rep := range c.Repeats {
			if rep.Script != "" {
				return rep.Script
			}
		}
	}
	return ""
}

// repro is one command that repeats all cells of the group.
func (g group) repro() string {
	c := g.cells[0]
	return strings.Replace(c.Repro, "'"+c.Profile+"'", "'"+strings.Join(g.names(), ",")+"'", 1)
}

// seen is an outcome with where it was seen.
type seen struct {
	cell    *Cell
	repeat  *Repeat
	outcome outcome.Outcome
}

// measured adds the outcomes that the group's section is about: a word once,
// with the figures of all profiles that have it and the evidence of the worst.
func (g group) measured(it *item) {
	type key struct {
		name string
		word outcome.Word
		nth  int // of one word in one repeat
	}
	var order []key
	found := map[key][]seen{}
	for _, c := range g.cells {
		for i := range c.Repeats {
			rep := &c.Repeats[i]
			name := "measured"
			if len(c.Repeats) > 1 {
				name = fmt.Sprintf("measured %d", rep.Repeat)
			}
			nth := map[outcome.Word]int{}
			for _, o := range rep.Outcomes {
				if !c.relevant(o) {
					continue
				}
				k := key{name, o.Word, nth[o.Word]}
				nth[o.Word]++
				if found[k] == nil {
					order = append(order, k)
				}
				found[k] = append(found[k], seen{c, rep, o})
			}
		}
	}
	for _, k := range order {
		it.add(k.name, "%s", g.word(found[k]))
	}
}

// word says where one word was seen, and how.
func (g group) word(all []seen) string {
	worst := all[0]
	for _, s := range all[1:] {
		if w := outcome.Worst([]outcome.Outcome{worst.outcome, s.outcome})[s.outcome.Word.Group()]; w.Evidence == s.outcome.Evidence && w.Figure == s.outcome.Figure && w.Figure != nil {
			worst = s
		}
	}
	text := string(worst.outcome.Word)
	if len(g.cells) == 1 {
		if f := worst.outcome.Figure; f != nil {
			text += " " + f.Detail()
		}
		return text + worst.detail()
	}
	var where []string
	for _, s := range all {
		at := s.cell.Profile
		if f := s.outcome.Figure; f != nil {
			at += " " + f.String()
		}
		where = append(where, at)
	}
	if len(all) == len(g.cells) && worst.outcome.Figure == nil {
		where = []string{g.profiles()}
	}
	return text + " " + strings.Join(where, ", ") + "; " + worst.cell.Profile + worst.detail()
}

// detail is the evidence, who saw it, and the files that it is in.
func (s seen) detail() string {
	text := ""
	if s.outcome.Evidence != "" {
		text += ": " + s.outcome.Evidence
	}
	if len(s.outcome.Vantage) > 0 {
		text += " (seen by " + strings.Join(s.outcome.Vantage, ", ") + ")"
	}
	if files := s.repeat.paths(s.outcome.Files); files != "" {
		text += " [" + files + "]"
	}
	return text
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

// said returns sentences about cells: an item a row, a line a sentence, with
// the profiles that it is about.
func (r *Report) said(of func(c *Cell) []string) []item {
	var items []item
	r.rows(func(row *Row) {
		var sentences []string
		about := 0
		for _, c := range row.present() {
			mine := of(c)
			if len(mine) > 0 {
				about++
			}
			for _, s := range mine {
				if !slices.Contains(sentences, s) {
					sentences = append(sentences, s)
				}
			}
		}
		var it item
		for _, s := range sentences {
			g := grouped(row, func(c *Cell) (string, bool) { return s, slices.Contains(of(c), s) })[0]
			it.title = g.cells[0].row()
			name := g.profiles()
			if about == 1 {
				it.title, name = g.title(), "note"
			}
			it.add(name, "%s", s)
		}
		if len(it.lines) > 0 {
			items = append(items, it)
		}
	})
	return items
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing: no expectation names this cell"
	}
	return strings.Join(list, ", ")
}
