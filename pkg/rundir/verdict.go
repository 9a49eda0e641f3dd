package rundir

import (
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// Status says how a trial's outcomes stand to what was expected.
type Status string

// The statuses. Expected, Caught and NotApplicable are the only ones that do
// not spoil a run.
const (
	StatusExpected      Status = "expected"       // every outcome is among the expected ones
	StatusNew           Status = "NEW"            // an outcome is not among the expected ones
	StatusInconclusive  Status = "inconclusive"   // too little recorded, no proven fault, or unknown
	StatusCaught        Status = "caught"         // control: the planted fault was detected
	StatusMissed        Status = "missed"         // control: it was not, so the run is worthless
	StatusNotApplicable Status = "not-applicable" // the scenario has no meaning with the profile
	StatusInfra         Status = "infra"          // the lab broke
)

// Statuses returns all statuses, worst first: what a cell of several repeats
// shows.
func Statuses() []Status {
	return []Status{StatusMissed, StatusNew, StatusInfra, StatusInconclusive, StatusCaught, StatusExpected, StatusNotApplicable}
}

// Worst returns the worst of the statuses. None at all, or one that is
// unknown, decides nothing: it is inconclusive.
func Worst(statuses ...Status) Status {
	order := Statuses()
	worst := len(order)
	for _, s := range statuses {
		i := slices.Index(order, s)
		if i < 0 {
			i = slices.Index(order, StatusInconclusive)
		}
		worst = min(worst, i)
	}
	if worst == len(order) {
		return StatusInconclusive
	}
	return order[worst]
}

// Verdict is verdict.json: what the check made of a recorded trial.
type Verdict struct {
	Schema   int               `json:"schema"`
	Scenario string            `json:"scenario"`
	Profile  string            `json:"profile"`
	Repeat   int               `json:"repeat"`
	Status   Status            `json:"status"`
	Outcomes []outcome.Outcome `json:"outcomes"`           // all of them, also those that a worse one outweighs
	Models   []ModelResult     `json:"models,omitempty"`   // consistency models checked
	Figures  []Measure         `json:"figures,omitempty"`  // what was measured beside the outcomes
	Expected []string          `json:"expected,omitempty"` // outcomes that the cell may have
	Why      string            `json:"why,omitempty"`      // reason of the expectation
	Source   string            `json:"source,omitempty"`   // man page, RFC or issue that the reason rests on
	Notes    []string          `json:"notes,omitempty"`    // for a person
	Took     float64           `json:"took_s,omitempty"`   // s from the trial's start to its end
	// Modes are the verdicts on single ways of reading or writing, in the order
	// of the scenario; Status is the worst of theirs and the trial's own.
	Modes []ModeVerdict `json:"modes,omitempty"`
}

// ModeVerdict is the verdict on one mode of a trial: a sub-row of the matrix.
type ModeVerdict struct {
	Mode     string            `json:"mode"`
	Status   Status            `json:"status"`
	Outcomes []outcome.Outcome `json:"outcomes"`
	Models   []ModelResult     `json:"models,omitempty"`
	Figures  []Measure         `json:"figures,omitempty"`
	Expected []string          `json:"expected,omitempty"`
	Why      string            `json:"why,omitempty"`
	Source   string            `json:"source,omitempty"`
	Notes    []string          `json:"notes,omitempty"`
}

// Cell returns the verdict's place in the plan.
func (v *Verdict) Cell() Cell {
	return Cell{Scenario: v.Scenario, Profile: v.Profile, Repeat: v.Repeat}
}

// ModelResult is what the check of one consistency model said. It has the
// fields of consistency.Result, which this package does not import.
type ModelResult struct {
	Model   string          `json:"model"`
	Verdict string          `json:"verdict"`           // holds, violated or unknown
	Words   string          `json:"words,omitempty"`   // for a person
	Figure  *outcome.Figure `json:"figure,omitempty"`  // how stale, how long both held the lock
	Witness []history.Op    `json:"witness,omitempty"` // the operations that prove a violation
	Checked int             `json:"checked,omitempty"` // operations that the verdict rests on
}

// Measure is a duration that a trial measured, under a name that is the same in
// every trial of the scenario.
type Measure struct {
	Name   string          `json:"name"`
	Figure *outcome.Figure `json:"figure"`
}

// Index is index.json: all verdicts of a run in one file.
type Index struct {
	Schema   int       `json:"schema"`
	ID       string    `json:"id"`
	Verdicts []Verdict `json:"verdicts"`
}
