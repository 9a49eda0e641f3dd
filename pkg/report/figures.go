package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// summed sums up what the repeats of a cell measured beside their outcomes, in
// the order of the judge.
func (c *Cell) summed() []rundir.Measure {
	var out []rundir.Measure
	found := map[string][]*outcome.Figure{}
	for _, rep := range c.Repeats {
		for _, m := range rep.Figures {
			if m.Figure == nil {
				continue
			}
			if found[m.Name] == nil {
				out = append(out, rundir.Measure{Name: m.Name})
			}
			found[m.Name] = append(found[m.Name], m.Figure)
		}
	}
	for i := range out {
		all := found[out[i].Name]
		largest := slices.MaxFunc(all, func(a, b *outcome.Figure) int { return cmp.Compare(a.Value, b.Value) })
		out[i].Figure = combine(largest, all)
	}
	return out
}

// figures returns what was measured beside the outcomes: an item a row, a line a
// figure, with each profile's.
func (r *Report) figures() []item {
	var items []item
	r.rows(func(row *Row) {
		var it item
		of := map[string][]string{}
		var order []string
		for _, c := range row.present() {
			it.title = c.row()
			for _, m := range c.Figures {
				if of[m.Name] == nil {
					order = append(order, m.Name)
				}
				of[m.Name] = append(of[m.Name], c.Profile+" "+overRepeats(m.Figure, len(c.Repeats)))
			}
		}
		for _, name := range order {
			it.add(name, "%s", strings.Join(of[name], ", "))
		}
		if len(it.lines) > 0 {
			items = append(items, it)
		}
	})
	return items
}

// overRepeats is a figure, with its median and in how many of the repeats it was
// measured if not in all.
func overRepeats(f *outcome.Figure, repeats int) string {
	text := f.String()
	if f.Count > 1 {
		text += " (median " + (&outcome.Figure{Value: f.Median, Unit: f.Unit}).String() + ")"
	}
	if f.Count < repeats {
		text += fmt.Sprintf(" %d/%d", f.Count, repeats)
	}
	return text
}
