package scenarios

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// Evidence is everything that was recorded of one trial, in memory: all that
// a judge may look at.
type Evidence struct {
	Run          rundir.RunMeta
	Fingerprint  rundir.Fingerprint
	Trial        rundir.TrialMeta
	Ops          []history.Op
	Faults       []rundir.FaultRecord
	Observations []rundir.Observation
	Before       rundir.Ledger
	After        rundir.Ledger
}

// First returns the first observation of an event about a subject; an empty
// subject is any.
func (e *Evidence) First(event, subject string) (rundir.Observation, bool) {
	for _, o := range e.Observations {
		if o.Event == event && (subject == "" || o.Subject == subject) {
			return o, true
		}
	}
	return rundir.Observation{}, false
}

// Last is First from the other end.
func (e *Evidence) Last(event, subject string) (rundir.Observation, bool) {
	for i := len(e.Observations) - 1; i >= 0; i-- {
		o := e.Observations[i]
		if o.Event == event && (subject == "" || o.Subject == subject) {
			return o, true
		}
	}
	return rundir.Observation{}, false
}

// fault returns the first fault of the name, whether it was proven, and from
// when to when it lasted in ns on the controller's clock.
func (e *Evidence) fault(name string) (rundir.FaultRecord, bool) {
	for _, f := range e.Faults {
		if f.Name == name {
			return f, true
		}
	}
	return rundir.FaultRecord{}, false
}

// overlapping counts the operations of a function that overlap an interval.
func (e *Evidence) overlapping(fn string, from, to int64) int {
	n := 0
	for i := range e.Ops {
		op := &e.Ops[i]
		if op.Func == fn && op.Return >= from && op.Invoke <= to {
			n++
		}
	}
	return n
}

// seconds formats an interval in ns as seconds for a person.
func seconds(ns int64) string { return fmt.Sprintf("%.2f s", float64(ns)/1e9) }

// beforeOrAfter is seconds with the word that follows them.
func beforeOrAfter(ns int64) string {
	if ns < 0 {
		return seconds(-ns) + " before"
	}
	return seconds(ns) + " after"
}
