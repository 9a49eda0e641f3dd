package qemu

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/lab"
)

// NotUpError is a lab that nobody keeps. Stale: it was up, its keeper died, and
// what was left of it has been removed.
type NotUpError struct {
	Name  string
	Stale bool
}

func (e *NotUpError) usage() *lab.UsageError {
	what := fmt.Sprintf("lab %s is not up", e.Name)
	if e.Stale {
		what = fmt.Sprintf("lab %s is not up any more: its keeper died; its machines died with it, and what they left has been removed", e.Name)
	}
	start := "nfsim lab up"
	if e.Name != DefaultName {
		start += " --name " + e.Name
	}
	return &lab.UsageError{What: what, Advice: "start it with `" + start + "`"}
}

// Error says what to do.
func (e *NotUpError) Error() string { return e.usage().Error() }

// Unwrap makes it a *lab.UsageError.
func (e *NotUpError) Unwrap() error { return e.usage() }

// HalfUpError is a lab that has a keeper and is not ready (yet, or any more).
type HalfUpError struct {
	Name  string
	Phase Phase
	Step  string
}

func (e *HalfUpError) usage() *lab.UsageError {
	return &lab.UsageError{
		What:   fmt.Sprintf("lab %s is not ready: %s, %s", e.Name, e.Phase, e.Step),
		Advice: "wait for it with `nfsim lab status`, or end it with `nfsim lab down`",
	}
}

// Error says what to do.
func (e *HalfUpError) Error() string { return e.usage().Error() }

// Unwrap makes it a *lab.UsageError.
func (e *HalfUpError) Unwrap() error { return e.usage() }

// UpError is a start of a lab that is up already.
type UpError struct {
	Name      string
	KeeperPID int
}

func (e *UpError) usage() *lab.UsageError {
	return &lab.UsageError{
		What:   fmt.Sprintf("lab %s is up already, kept by process %d", e.Name, e.KeeperPID),
		Advice: "use it, take it down with `nfsim lab down`, or start another with --name",
	}
}

// Error says what to do.
func (e *UpError) Error() string { return e.usage().Error() }

// Unwrap makes it a *lab.UsageError.
func (e *UpError) Unwrap() error { return e.usage() }
