// Package report turns a run directory into a matrix of scenario x profile,
// for a person (text, Markdown) or a program (JSON). It needs no lab.
//
//	run, err := rundir.Open("latest")
//	rep, err := report.Build(run)
//	err = report.Text(os.Stdout, rep, report.TextOptions{Width: 120, Color: true})
//	os.Exit(rep.Exit)
package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// SchemaVersion is the version of the JSON form of a Report. A field may be
// added within a version; none is removed, renamed or given another meaning.
const SchemaVersion = 1

// Report is all that a report shows. It is also the JSON form.
type Report struct {
	Schema       int            `json:"schema"`
	ID           string         `json:"id"`
	Dir          string         `json:"dir"`
	Started      time.Time      `json:"started"`
	Ended        time.Time      `json:"ended,omitzero"` // zero: the run was cut short, or still goes on
	NfsimVersion string         `json:"nfsim_version"`
	Command      []string       `json:"command"`
	Seed         int64          `json:"seed"`
	Lab          rundir.LabMeta `json:"lab"`
	LeaseS       float64        `json:"lease_s"`
	GraceS       float64        `json:"grace_s"`
	Full         bool           `json:"full"` // a full run: the long axes too
	// ClusterFrozen: control plane and kubelets stood still.
	ClusterFrozen bool               `json:"cluster_frozen,omitempty"`
	ClockErrMS    float64            `json:"clock_err_ms"` // largest error bound of any trial's clocks
	Fingerprint   rundir.Fingerprint `json:"fingerprint"`  // machine -> what -> version
	Tables        []Table            `json:"tables"`
	Counts        map[string]int     `json:"counts"` // cells per status
	Exit          int                `json:"exit"`   // see Exit
	ExitWhy       string             `json:"exit_why"`
}

// Table is one matrix: families that share their columns are in one.
type Table struct {
	Profiles []string `json:"profiles"` // columns, in the order of the plan
	Rows     []Row    `json:"rows"`     // in the order of the plan
}

// Row is a scenario's cells, one for each column; nil where nothing was
// planned. Below it are the rows of its modes, whose cells show one way of
// reading or writing each.
type Row struct {
	Scenario string  `json:"scenario"` // FAMILY.NAME
	Mode     string  `json:"mode,omitempty"`
	Cells    []*Cell `json:"cells"`
	Modes    []Row   `json:"modes,omitempty"` // in the order of the judge
}

// label is what stands before a row.
func (r *Row) label() string {
	if r.Mode != "" {
		return "  " + r.Mode
	}
	return slashed(r.Scenario)
}

// lines returns the row and those of its modes, from the top.
func (r *Row) lines() []Row { return append([]Row{*r}, r.Modes...) }

// Build reads a run and its verdicts. Trials that were planned or recorded and
// have no verdict show as inconclusive, never as absent.
func Build(run *rundir.Run) (*Report, error) {
	meta := run.Meta()
	print, err := run.Fingerprint()
	if err != nil {
		return nil, fmt.Errorf("build report: %w", err)
	}
	trials, err := run.Trials()
	if err != nil {
		return nil, fmt.Errorf("build report: %w", err)
	}
	index, err := run.Index()
	if err != nil {
		return nil, fmt.Errorf("build report: %w", err)
	}
	r := &Report{
		Schema: SchemaVersion, ID: meta.ID, Dir: run.Dir(), Started: meta.Started, Ended: meta.Ended,
		NfsimVersion: meta.NfsimVersion, Command: meta.Command, Seed: meta.Seed, Lab: meta.Lab,
		LeaseS: meta.LeaseS, GraceS: meta.GraceS, Full: meta.Full, ClusterFrozen: meta.ClusterFrozen, Fingerprint: print, Counts: make(map[string]int),
	}
	for _, t := range trials {
		r.ClockErrMS = max(r.ClockErrMS, float64(t.Meta.ClockErrNS)/1e6)
	}
	g := gather(meta, trials, index)
	r.Tables = g.tables()
	for _, c := range r.cells() {
		r.Counts[string(c.Status)]++
	}
	r.Exit, r.ExitWhy = exit(r.Counts)
	return r, nil
}

// cells returns all cells but those of modes, table by table, row by row.
func (r *Report) cells() []*Cell {
	var cells []*Cell
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				if c != nil {
					cells = append(cells, c)
				}
			}
		}
	}
	return cells
}

// family returns the family of a scenario FAMILY.NAME.
func family(scenario string) string {
	f, _, _ := strings.Cut(scenario, ".")
	return f
}

// slashed returns a scenario FAMILY.NAME as the command line takes it.
func slashed(scenario string) string { return strings.Replace(scenario, ".", "/", 1) }
