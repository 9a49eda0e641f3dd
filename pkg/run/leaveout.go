package run

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// notApplicable says why a batch is not executed on this lab, "" when it is.
func (e *executor) notApplicable(b Batch) string {
	if _, ok := e.lab.(lab.Power); b.Scenario.Power && !ok {
		if missing, says := e.lab.(lab.PowerMissing); says {
			return "a machine's power is cut: " + missing.NoPower()
		}
		return fmt.Sprintf("a machine's power is cut, and nfsim cannot do that to a lab of provider %s", e.lab.Provider())
	}
	return b.NotApplicable
}

// leaveOut records the cells that are not executed, without touching the lab,
// and returns the batches that are.
func (e *executor) leaveOut() (rest []Batch, err error) {
	cells := 0
	for _, b := range e.plan.Batches {
		reason := e.notApplicable(b)
		if reason == "" {
			rest = append(rest, b)
			continue
		}
		if err := e.record(b, reason); err != nil {
			return nil, err
		}
		cells += len(b.Profiles)
	}
	if cells > 0 {
		e.progress.Say("%d cells are not executed: each says why in the report", cells)
	}
	return rest, nil
}

// record writes a finished trial of every cell, with the reason why nothing
// was done.
func (e *executor) record(b Batch, reason string) error {
	e.note("batch %s: not applicable: %s", b.ID, reason)
	for _, profile := range b.Profiles {
		meta := e.trialMeta(b, profile)
		meta.NotApplicable = reason
		trial, err := e.run.NewTrial(meta)
		if err != nil {
			return err
		}
		trial.Update(func(m *rundir.TrialMeta) { m.EndedNS = m.StartedNS })
		if err := trial.Finish(nil); err != nil {
			return err
		}
	}
	return nil
}
