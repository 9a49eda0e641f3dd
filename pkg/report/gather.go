package report

import (
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// place is a cell's place in the matrix.
type place struct{ scenario, profile string }

// gathering brings plan, trials and verdicts together.
type gathering struct {
	seed      int64
	scenarios []string // in order of the plan
	profiles  []string // in order of the plan
	cells     map[place]*Cell
}

func gather(meta rundir.RunMeta, trials []*rundir.Trial, index rundir.Index) *gathering {
	g := &gathering{seed: meta.Seed, cells: make(map[place]*Cell)}
	recorded := make(map[rundir.Cell]*rundir.Trial)
	for _, t := range trials {
		recorded[t.Meta.Cell()] = t
	}
	var order []rundir.Cell
	seen := make(map[rundir.Cell]bool)
	want := func(c rundir.Cell) {
		if !seen[c] {
			seen[c] = true
			order = append(order, c)
		}
	}
	for _, b := range meta.Batches {
		for _, c := range b.Cells {
			want(c)
		}
	}
	for _, t := range trials {
		want(t.Meta.Cell())
	}
	verdicts := make(map[rundir.Cell]*rundir.Verdict)
	for i := range index.Verdicts {
		v := &index.Verdicts[i]
		verdicts[v.Cell()] = v
		want(v.Cell())
	}
	for _, c := range order {
		g.add(c, recorded[c], verdicts[c])
	}
	for _, c := range g.cells {
		c.settle()
	}
	return g
}

func (g *gathering) add(at rundir.Cell, t *rundir.Trial, v *rundir.Verdict) {
	if !slices.Contains(g.scenarios, at.Scenario) {
		g.scenarios = append(g.scenarios, at.Scenario)
	}
	if !slices.Contains(g.profiles, at.Profile) {
		g.profiles = append(g.profiles, at.Profile)
	}
	key := place{at.Scenario, at.Profile}
	c := g.cells[key]
	if c == nil {
		c = &Cell{Scenario: at.Scenario, Profile: at.Profile, Expected: []string{}}
		c.Repro = fmt.Sprintf("nfsim run --scenario %s --profile '%s' --seed %d", slashed(at.Scenario), at.Profile, g.seed)
		g.cells[key] = c
	}
	r := Repeat{Repeat: at.Repeat, Status: rundir.StatusInconclusive}
	if t != nil {
		r.Dir, r.Retries = t.Rel, t.Meta.Retries
		if len(t.Meta.Repro) > 0 {
			c.Repro = t.Meta.Repro[0]
		}
	}
	switch {
	case v != nil:
		r.Status, r.TookS, r.Outcomes, r.Models = known(v.Status), v.Took, v.Outcomes, v.Models
		c.Expected = append(c.Expected[:0], v.Expected...)
		c.Why, c.Source = v.Why, v.Source
		for _, note := range v.Notes {
			if !slices.Contains(c.Notes, note) {
				c.Notes = append(c.Notes, note)
			}
		}
	case t == nil:
		r.Outcomes = undecided("planned, and never run")
	case t.Incomplete():
		r.Outcomes = undecided("the recording was cut short")
	default:
		r.Outcomes = undecided("recorded, and not judged yet: nfsim check")
	}
	c.Repeats = append(c.Repeats, r)
}

func undecided(why string) []outcome.Outcome {
	return []outcome.Outcome{outcome.New(outcome.Inconclusive, "%s", why)}
}

// tables puts the families into as few tables as their profiles allow: a
// family joins the first table that has all of its columns.
func (g *gathering) tables() []Table {
	columns := make(map[string][]string) // family -> profiles, in order of the plan
	var families []string
	for _, s := range g.scenarios {
		f := family(s)
		if _, ok := columns[f]; !ok {
			families = append(families, f)
			columns[f] = nil
		}
		for _, p := range g.profiles {
			if g.cells[place{s, p}] != nil && !slices.Contains(columns[f], p) {
				columns[f] = append(columns[f], p)
			}
		}
	}
	tables := []Table{}
	for _, f := range widestFirst(families, columns) {
		i := slices.IndexFunc(tables, func(t Table) bool {
			return !slices.ContainsFunc(columns[f], func(p string) bool { return !slices.Contains(t.Profiles, p) })
		})
		if i < 0 {
			inOrder := slices.DeleteFunc(slices.Clone(g.profiles), func(p string) bool { return !slices.Contains(columns[f], p) })
			tables = append(tables, Table{Profiles: inOrder})
			i = len(tables) - 1
		}
		for _, s := range g.scenarios {
			if family(s) != f {
				continue
			}
			row := Row{Scenario: s}
			for _, p := range tables[i].Profiles {
				row.Cells = append(row.Cells, g.cells[place{s, p}])
			}
			tables[i].Rows = append(tables[i].Rows, row)
		}
	}
	return tables
}

// widestFirst sorts families by their number of columns, in order of the plan
// among equals.
func widestFirst(families []string, columns map[string][]string) []string {
	sorted := slices.Clone(families)
	slices.SortStableFunc(sorted, func(a, b string) int { return len(columns[b]) - len(columns[a]) })
	return sorted
}
