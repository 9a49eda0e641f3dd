package report

import (
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// place is a cell's place in the matrix; mode is "" for the trial as a whole.
type place struct{ scenario, mode, profile string }

// gathering brings plan, trials and verdicts together.
type gathering struct {
	seed      int64
	scenarios []string            // in order of the plan
	profiles  []string            // in order of the plan
	modes     map[string][]string // of each scenario, in order of the judge
	cells     map[place]*Cell
}

func gather(meta rundir.RunMeta, trials []*rundir.Trial, index rundir.Index) *gathering {
	g := &gathering{seed: meta.Seed, modes: make(map[string][]string), cells: make(map[place]*Cell)}
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
	c := g.cell(at, "")
	r := Repeat{Repeat: at.Repeat, Status: rundir.StatusInconclusive}
	if t != nil {
		r.Dir, r.Script, r.Retries = t.Rel, t.Script(), t.Meta.Retries
		if len(t.Meta.Repro) > 0 {
			c.Repro = t.Meta.Repro[0]
		}
	}
	switch {
	case v != nil:
		r.Status, r.TookS, r.Outcomes, r.Models, r.Figures = known(v.Status), v.Took, v.Outcomes, v.Models, v.Figures
		c.expect(v.Expected, v.Why, v.Source, v.Notes)
		c.hasModes = c.hasModes || len(v.Modes) > 0
		for i := range v.Modes {
			g.addMode(at, &v.Modes[i], r, c.Repro)
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

// addMode adds what a repeat, of which the trial as a whole is given, says of
// one mode.
func (g *gathering) addMode(at rundir.Cell, m *rundir.ModeVerdict, whole Repeat, repro string) {
	if !slices.Contains(g.modes[at.Scenario], m.Mode) {
		g.modes[at.Scenario] = append(g.modes[at.Scenario], m.Mode)
	}
	c := g.cell(at, m.Mode)
	c.Repro = repro
	c.expect(m.Expected, m.Why, m.Source, m.Notes)
	whole.Status, whole.Outcomes, whole.Models, whole.Figures = known(m.Status), m.Outcomes, m.Models, m.Figures
	c.Repeats = append(c.Repeats, whole)
}

// cell returns the cell at a place, made if it is not there yet.
func (g *gathering) cell(at rundir.Cell, mode string) *Cell {
	key := place{at.Scenario, mode, at.Profile}
	c := g.cells[key]
	if c == nil {
		c = &Cell{Scenario: at.Scenario, Mode: mode, Profile: at.Profile, Expected: []string{}}
		c.Repro = fmt.Sprintf("nfsim run --scenario %s --profile '%s' --seed %d", slashed(at.Scenario), at.Profile, g.seed)
		g.cells[key] = c
	}
	return c
}

// expect notes what a verdict expected, and its notes that are not there yet.
func (c *Cell) expect(expected []string, why, source string, notes []string) {
	c.Expected = append(c.Expected[:0], expected...)
	c.Why, c.Source = why, source
	for _, note := range notes {
		if !slices.Contains(c.Notes, note) {
			c.Notes = append(c.Notes, note)
		}
	}
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
			if g.cells[place{s, "", p}] != nil && !slices.Contains(columns[f], p) {
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
			row := g.row(s, "", tables[i].Profiles)
			for _, mode := range g.modes[s] {
				row.Modes = append(row.Modes, g.row(s, mode, tables[i].Profiles))
			}
			tables[i].Rows = append(tables[i].Rows, row)
		}
	}
	return tables
}

func (g *gathering) row(scenario, mode string, profiles []string) Row {
	row := Row{Scenario: scenario, Mode: mode}
	for _, p := range profiles {
		row.Cells = append(row.Cells, g.cells[place{scenario, mode, p}])
	}
	return row
}

// widestFirst sorts families by their number of columns, in order of the plan
// among equals.
func widestFirst(families []string, columns map[string][]string) []string {
	sorted := slices.Clone(families)
	slices.SortStableFunc(sorted, func(a, b string) int { return len(columns[b]) - len(columns[a]) })
	return sorted
}
