package run

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// Check judges every trial of a recorded run, from the run directory alone,
// and writes the verdicts beside the trials and into the index. Planned trials
// that were never recorded have no verdict; the report shows them as
// inconclusive.
func Check(r *rundir.Run) (rundir.Index, error) { return checkWith(r, scenarios.Named) }

// lookup finds the scenario that a run directory calls name.
type lookup func(name string) (scenarios.Scenario, bool)

// checkWith is Check with other scenarios than those of the list.
func checkWith(r *rundir.Run, named lookup) (rundir.Index, error) {
	print, err := r.Fingerprint()
	if err != nil {
		return rundir.Index{}, err
	}
	trials, err := r.Trials()
	if err != nil {
		return rundir.Index{}, err
	}
	for _, t := range trials {
		if err := r.WriteVerdict(judge(r.Meta(), print, t, named)); err != nil {
			return rundir.Index{}, err
		}
	}
	return r.WriteIndex()
}

// judge gives the verdict on one trial.
func judge(meta rundir.RunMeta, print rundir.Fingerprint, t *rundir.Trial, named lookup) rundir.Verdict {
	v := rundir.Verdict{Scenario: t.Meta.Scenario, Profile: t.Meta.Profile, Repeat: t.Meta.Repeat}
	if !t.Meta.Ended.IsZero() {
		v.Took = t.Meta.Ended.Sub(t.Meta.Started).Seconds()
	}
	switch {
	case t.Err != nil:
		return unjudged(v, rundir.StatusInconclusive, outcome.New(outcome.Inconclusive, "trial cannot be read: %v", t.Err))
	case !t.Meta.Finished:
		return unjudged(v, rundir.StatusInconclusive, outcome.New(outcome.Inconclusive, "the recording was cut short"))
	case t.Meta.Error != "":
		return unjudged(v, rundir.StatusInfra, outcome.New(outcome.InfraError, "%s", t.Meta.Error))
	case t.Meta.NotApplicable != "":
		return unjudged(v, rundir.StatusNotApplicable, outcome.New(outcome.NotApplicable, "%s", t.Meta.NotApplicable))
	}
	s, ok := named(t.Meta.Scenario)
	if !ok {
		return unjudged(v, rundir.StatusInconclusive, outcome.New(outcome.Inconclusive, "this nfsim has no scenario %q", t.Meta.Scenario))
	}
	evidence, err := load(meta, print, t)
	if err != nil {
		return unjudged(v, rundir.StatusInconclusive, outcome.New(outcome.Inconclusive, "the record cannot be read: %v", err))
	}
	j := safely(s, evidence)
	v.Outcomes, v.Models, v.Figures, v.Notes = j.Outcomes, j.Models, j.Figures, j.Notes
	if s.Control {
		v = control(v, j)
	} else {
		v = expect(v, s, j.Modes, clientReleases(print, t.Meta.Resources))
	}
	return looked(v, t.Meta.Pauses)
}

// looked makes the verdict on a trial that stood still undecided, whatever it
// shows: a person had the lab meanwhile, and faults lasted longer than planned.
func looked(v rundir.Verdict, pauses []rundir.Pause) rundir.Verdict {
	if len(pauses) == 0 {
		return v
	}
	var when []string
	for _, p := range pauses {
		when = append(when, fmt.Sprintf("%s before %s", p.Lasted().Round(100*time.Millisecond), p.Before))
	}
	v.Outcomes = append(v.Outcomes, outcome.New(outcome.Inconclusive, "the trial stood still for a person to look: %s. What it shows is no result", strings.Join(when, ", ")).In("trial.json"))
	v.Status = rundir.Worst(v.Status, rundir.StatusInconclusive)
	if v.Status == rundir.StatusNew {
		v.Status = rundir.StatusInconclusive
	}
	for i := range v.Modes {
		v.Modes[i].Status = rundir.StatusInconclusive
	}
	return v
}

func unjudged(v rundir.Verdict, status rundir.Status, o outcome.Outcome) rundir.Verdict {
	v.Status, v.Outcomes = status, []outcome.Outcome{o.In("trial.json")}
	return v
}

// safely runs the judge; one that panics has decided nothing.
func safely(s scenarios.Scenario, e *scenarios.Evidence) (j scenarios.Judgement) {
	defer func() {
		if r := recover(); r != nil {
			j = scenarios.Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.Inconclusive, "the judge panicked: %v", r)}}
		}
	}()
	return s.Judge(e)
}

// load reads everything that was recorded of a trial. A history that breaks
// what every judge assumes is an error.
func load(meta rundir.RunMeta, print rundir.Fingerprint, t *rundir.Trial) (*scenarios.Evidence, error) {
	e := &scenarios.Evidence{Run: meta, Fingerprint: print, Trial: t.Meta}
	ops, report, err := t.History()
	if err != nil {
		return nil, err
	}
	if report.CutShort {
		return nil, errors.New("load history: its last line was cut short")
	}
	if problems := history.Validate(ops); len(problems) > 0 {
		return nil, fmt.Errorf("validate history: %d problems, the first: %s", len(problems), problems[0])
	}
	e.Ops = ops
	var errs [4]error
	e.Faults, errs[0] = t.Faults()
	e.Observations, errs[1] = t.Observations()
	e.Before, errs[2] = t.LedgerBefore()
	e.After, errs[3] = t.LedgerAfter()
	return e, errors.Join(errs[:]...)
}
