package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// TransportError says that no answer came from the API server within the
// time: it is down, unreachable or overloaded. It says nothing about whether
// the request had an effect.
type TransportError struct {
	Op  string // what was asked, as a verb phrase
	Err error  // the last failure
}

func (e *TransportError) Error() string { return fmt.Sprintf("%s: no answer: %v", e.Op, e.Err) }

// Unwrap gives the last failure.
func (e *TransportError) Unwrap() error { return e.Err }

// AwaitError says that something awaited did not come in time.
type AwaitError struct {
	What string // what was awaited
	Last string // what was there last, as far as it was seen
	Err  error  // why waiting ended: the context's error
}

func (e *AwaitError) Error() string {
	last := e.Last
	if strings.TrimSpace(last) == "" {
		last = "nothing seen"
	}
	return fmt.Sprintf("await %s: %v (last: %s)", e.What, e.Err, last)
}

// Unwrap gives the context's error.
func (e *AwaitError) Unwrap() error { return e.Err }

// GoneError says that the object that was waited on was deleted, or replaced
// by another of the same name.
type GoneError struct {
	What string
	UID  types.UID // of the object that is gone; empty when it was never seen
}

func (e *GoneError) Error() string { return fmt.Sprintf("await %s: it is gone", e.What) }

// gapReason is what an await says of a watch that broke off; a watch that
// ended with its context or was only renewed says nothing new.
func gapReason(err error, last string) string {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errWatchEnded) {
		return last
	}
	return err.Error()
}
