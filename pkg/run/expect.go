package run

import (
	"slices"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// control says whether the planted fault was caught. A plant that could not
// be proven, or a judge that decided nothing, is a missed one. The modes of a
// control show what its detectors saw, and count for nothing.
func control(v rundir.Verdict, j scenarios.Judgement) rundir.Verdict {
	v.Expected = []string{"the planted fault is caught"}
	v.Status = rundir.StatusMissed
	if j.Caught {
		v.Status = rundir.StatusCaught
	}
	for _, m := range j.Modes {
		shown := modeVerdict(m)
		shown.Status = v.Status
		v.Modes = append(v.Modes, shown)
	}
	return v
}

// expect compares the outcomes of the trial and of each of its modes with the
// reviewed table. The trial's status is the worst of all.
func expect(v rundir.Verdict, s scenarios.Scenario, modes []scenarios.Mode, on scenarios.Releases) rundir.Verdict {
	row, ok := scenarios.Expected(s.ID(), "", v.Profile, on)
	if ok {
		v.Expected, v.Why, v.Source = row.Strings(), row.Why, row.Source
	}
	statuses := []rundir.Status{statusOf(row, v.Outcomes)}
	if len(v.Outcomes) == 0 && len(modes) > 0 {
		statuses = nil
	}
	for _, m := range modes {
		judged := modeVerdict(m)
		row, ok := scenarios.Expected(s.ID(), m.Name, v.Profile, on)
		if ok {
			judged.Expected, judged.Why, judged.Source = row.Strings(), row.Why, row.Source
		}
		judged.Status = statusOf(row, m.Outcomes)
		v.Modes = append(v.Modes, judged)
		statuses = append(statuses, judged.Status)
	}
	v.Status = rundir.Worst(statuses...)
	return v
}

func modeVerdict(m scenarios.Mode) rundir.ModeVerdict {
	return rundir.ModeVerdict{Mode: m.Name, Outcomes: m.Outcomes, Models: m.Models, Figures: m.Figures, Notes: m.Notes}
}

// statusOf says how outcomes stand to a row of the table. What has no meaning
// with the profile is neither expected nor new; no outcome at all, or one that
// says that nothing could be told, decides nothing.
func statusOf(row scenarios.Expectation, outcomes []outcome.Outcome) rundir.Status {
	isTrial := func(o outcome.Outcome) bool { return o.Word.Group() == outcome.Trial }
	switch {
	case slices.ContainsFunc(outcomes, func(o outcome.Outcome) bool { return o.Word == outcome.NotApplicable }):
		return rundir.StatusNotApplicable
	case slices.ContainsFunc(row.Surprises(outcomes), func(o outcome.Outcome) bool { return !isTrial(o) }):
		return rundir.StatusNew
	case len(outcomes) == 0 || slices.ContainsFunc(outcomes, isTrial):
		return rundir.StatusInconclusive
	default:
		return rundir.StatusExpected
	}
}

// clientReleases are what a trial's workers run, as the fingerprint has it for
// the machines that the trial had for itself.
func clientReleases(print rundir.Fingerprint, resources []string) scenarios.Releases {
	each := func(what string) []string {
		var all []string
		for _, machine := range resources {
			if release := print[machine][what]; release != "" && !slices.Contains(all, release) {
				all = append(all, release)
			}
		}
		return all
	}
	return scenarios.Releases{Kernels: each("kernel"), Kubelets: each("kubelet")}
}
