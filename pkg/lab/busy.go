package lab

import (
	"errors"
	"fmt"
	"sync"

	"github.com/nfsim/nfsim/pkg/lab/lock"
)

// BusyError is a lab that another process uses or starts.
type BusyError struct {
	Name string
	PID  int
	Who  string
}

func (e *BusyError) usage() *UsageError {
	return &UsageError{
		What:   fmt.Sprintf("lab %s is in use by process %d (%s)", e.Name, e.PID, e.Who),
		Advice: "wait for it, or use another lab",
	}
}

// Error names the other process.
func (e *BusyError) Error() string { return e.usage().Error() }

// Unwrap makes it a *UsageError.
func (e *BusyError) Unwrap() error { return e.usage() }

// Acquire takes the lock file that makes a process the one user of the lab of
// that name, until release is called or the process dies. It does not wait: a
// lab in use is a *BusyError.
func Acquire(path, name, who string) (release func(), err error) {
	mine, err := lock.Take(path, who)
	var held *lock.HeldError
	if errors.As(err, &held) {
		return nil, &BusyError{Name: name, PID: held.PID, Who: held.Who}
	}
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { _ = mine.Release() }), nil
}
