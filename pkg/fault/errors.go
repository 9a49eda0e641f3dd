package fault

import (
	"fmt"
	"strings"
	"time"
)

// NotProvenError says that a fault was injected but that its effect was not
// seen in time. The fault has been undone, unless Undo says otherwise. A trial
// with this error is NO_FAULT.
type NotProvenError struct {
	Name, Machine string
	Within        time.Duration
	Evidence      string // what the last attempt to prove printed
	Err           error  // why the last attempt failed
	Undo          error  // nil: undone and proven undone
	Record        Record
}

func (e *NotProvenError) Error() string {
	msg := fmt.Sprintf("prove fault %s on %s: no effect seen within %s: %v", e.Name, e.Machine, e.Within, e.Err)
	if ev := strings.TrimSpace(e.Evidence); ev != "" {
		msg += ": " + ev
	}
	if e.Undo != nil {
		msg += fmt.Sprintf("; and its undo failed, run `nfsim heal`: %v", e.Undo)
	}
	return msg
}

func (e *NotProvenError) Unwrap() error { return e.Err }

// NotUndoneError says that an undo failed or could not be proven. The fault
// stays open in the journal; `nfsim heal` and the machine's own timer try again.
type NotUndoneError struct {
	ID, Name, Machine string
	Evidence          string
	Err               error
}

func (e *NotUndoneError) Error() string {
	msg := fmt.Sprintf("undo fault %s (%s) on %s, which stays open in the journal: %v", e.Name, e.ID, e.Machine, e.Err)
	if ev := strings.TrimSpace(e.Evidence); ev != "" {
		msg += ": " + ev
	}
	return msg
}

func (e *NotUndoneError) Unwrap() error { return e.Err }
