// Package scenarios holds what nfsim does to a lab and how it judges what it
// recorded: one file a scenario, a plain list, and the expectations.
//
// A scenario has two halves that meet only in the run directory. Drive sets
// up, breaks, heals and records; Judge reads one recorded trial and says
// which outcomes it shows. Judge never touches a lab, so a run can be judged
// again anywhere, at any time:
//
//	nfsim check runs/latest
//
// To add a scenario: one file here, one line in List, one line in
// docs/scenarios.md, one golden trial in testdata.
package scenarios

import (
	"context"
	"path"
	"time"

	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// The families of scenarios.
const (
	FamilyNFS     = "nfs"          // kernel mounts on two workers, no cluster needed
	FamilyKubelet = "kubelet"      // volumes mounted by a kubelet for a pod
	FamilyShare   = "share-server" // an NFS server that runs as a pod
	FamilyControl = "control"      // planted faults that a detector must catch
)

// Scenario is one row of the matrix.
type Scenario struct {
	Name   string
	Family string
	// Doc is one sentence: what happens. Decides is what it is for.
	Doc     string
	Decides string
	// Target says that the scenario needs one worker for its faults alone;
	// the scheduler hands it as Batch.Target.
	Target bool
	// Quiet says that nothing else may run at once: figures are measured, or the
	// fault hits the server and so everybody.
	Quiet bool
	// Dirties says that machines are left rebooted or otherwise unlike the ready
	// lab, so that it is restored from its snapshot afterwards, where it has one.
	Dirties bool
	// Power says that a machine's power is cut: NOT_APPLICABLE on a lab without
	// lab.Power.
	Power bool
	// Modes names the sub-rows that Judge may give, in the order of the matrix. A
	// full run may have some that a quick run has not.
	Modes []string
	// Shapes says that the scenario has a mode for each shape of a volume: a pod
	// each. A quick run has them when they are asked for, for one profile.
	Shapes bool
	// Apart lists what can matter to the scenario among the things that profiles
	// change for all mounts at once, and so need a batch of their own for:
	// delegations, lease, connections. A quick run gives such a profile only to
	// the scenarios that list its aspects; the other cells are NOT_APPLICABLE.
	Apart []nfs.Aspect
	// Cells is the most profiles that one batch can bear; 0 is all at once.
	Cells int
	// Profiles are the columns of a scenario that has its own, in place of those of
	// the run; nil: the run's.
	Profiles []nfs.Profile
	// OneProfile says that what happens does not depend on the profile, so that a
	// run has the scenario for one of its profiles only.
	OneProfile bool
	// Estimate is about how long one batch of five profiles takes under TCG, for
	// --plan; FullEstimate the same in a full run, 0 when that is no longer.
	Estimate, FullEstimate time.Duration
	// Control says that a fault is planted for a detector to catch.
	Control bool

	Drive func(ctx context.Context, b *Batch) error
	Judge func(t *Evidence) Judgement
}

// ID is the full name, as in --scenario nfs/close-to-open.
func (s Scenario) ID() string { return s.Family + "/" + s.Name }

// Mode is what a scenario reads out of one recorded trial for one way of
// reading or writing, or one variant of the fault: a sub-row of the matrix. By
// convention a mode's operations are those on the file (or the directory) of
// the mode's name in the cell's export.
type Mode struct {
	Name     string // lower-case words with dashes, as in held-ro
	Outcomes []outcome.Outcome
	Models   []rundir.ModelResult
	Figures  []rundir.Measure // what was measured beside the outcomes
	Notes    []string
}

// Judgement is what a scenario reads out of one recorded trial.
type Judgement struct {
	// Outcomes are those of the trial as a whole; what belongs to one mode is in
	// Modes.
	Outcomes []outcome.Outcome
	Modes    []Mode
	Models   []rundir.ModelResult
	Figures  []rundir.Measure // what was measured beside the outcomes
	Notes    []string
	// Caught says, for a control, that the detector saw the planted fault.
	Caught bool
}

// Match reports whether a pattern of --scenario selects s. Patterns are
// path.Match globs on the name or on family/name.
func (s Scenario) Match(pattern string) (bool, error) {
	byName, err := path.Match(pattern, s.Name)
	if err != nil {
		return false, err
	}
	byID, err := path.Match(pattern, s.ID())
	return byName || byID, err
}

// Recorded is the name in a run directory: family.name.
func (s Scenario) Recorded() string { return s.Family + "." + s.Name }

// Named returns the scenario that a run directory calls name.
func Named(name string) (Scenario, bool) {
	for _, s := range All() {
		if s.Recorded() == name {
			return s, true
		}
	}
	return Scenario{}, false
}
