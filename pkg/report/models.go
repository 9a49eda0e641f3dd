package report

import (
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// strength lists the consistency models, the strongest of those that a
// register can obey first; then those of other kinds.
func strength() []string {
	return []string{
		"linearizable", "close-to-open", "bounded-staleness", "monotonic-reads", "read-your-writes", "untorn",
		"durable", "append-log", "mutual-exclusion",
	}
}

// models returns what the consistency models said: an item a scenario, a line
// for all profiles of a mode that obey and violate the same ones. Controls are
// left out: what they violate was planted.
func (r *Report) models() []item {
	var items []item
	for _, t := range r.Tables {
		for i := range t.Rows {
			it := item{title: slashed(t.Rows[i].Scenario)}
			for _, row := range t.Rows[i].lines() {
				for _, g := range grouped(&row, modelKey) {
					name := g.profiles()
					if row.Mode != "" {
						name = row.Mode + ", " + name
					}
					it.add(name, "%s", modelLine(g.cells[0]))
				}
			}
			if len(it.lines) > 0 {
				items = append(items, it)
			}
		}
	}
	return items
}

// modelKey is the same for cells that obey and violate the same models.
func modelKey(c *Cell) (string, bool) {
	if c.control() {
		return "", false
	}
	var key strings.Builder
	for _, m := range c.models() {
		key.WriteString(m.Model + " " + m.Verdict + "\n")
	}
	return key.String(), key.Len() > 0
}

// models returns what each model said, over all repeats: violated beats
// unknown, and unknown beats holds. The strongest model is first.
func (c *Cell) models() []rundir.ModelResult {
	var out []rundir.ModelResult
	severity := []string{"holds", "unknown", "violated"}
	for i := range c.Repeats {
		for _, m := range c.Repeats[i].Models {
			at := slices.IndexFunc(out, func(have rundir.ModelResult) bool { return have.Model == m.Model })
			switch {
			case at < 0:
				out = append(out, m)
			case slices.Index(severity, m.Verdict) > slices.Index(severity, out[at].Verdict):
				out[at] = m
			}
		}
	}
	order := strength()
	slices.SortStableFunc(out, func(a, b rundir.ModelResult) int {
		return slices.Index(order, a.Model) - slices.Index(order, b.Model)
	})
	return out
}

// modelLine lists the models that hold, the strongest first, and then those
// that do not, with their witness in words, said once for those that share it.
func modelLine(c *Cell) string {
	type verdict struct{ verdict, words string }
	names := map[verdict][]string{}
	var order []verdict
	for _, m := range c.models() {
		v := verdict{m.Verdict, m.Words}
		if m.Verdict == "holds" {
			v.words = "" // how much was checked
		}
		if names[v] == nil {
			order = append(order, v)
		}
		names[v] = append(names[v], m.Model)
	}
	slices.SortStableFunc(order, func(a, b verdict) int {
		rank := []string{"holds", "violated", "unknown"}
		return slices.Index(rank, a.verdict) - slices.Index(rank, b.verdict)
	})
	parts := make([]string, len(order))
	for i, v := range order {
		parts[i] = v.verdict + ": " + strings.Join(names[v], ", ")
		if v.words != "" {
			parts[i] += " (" + c.Profile + ": " + v.words + ")"
		}
	}
	return strings.Join(parts, "; ")
}
