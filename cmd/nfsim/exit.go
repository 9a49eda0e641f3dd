package main

import (
	"errors"
	"fmt"

	"github.com/nfsim/nfsim/pkg/lab"
)

// The exit codes, as docs/architecture.md promises them.
const (
	exitOK           = 0  // every cell as expected
	exitNew          = 1  // something new, or a regression
	exitInconclusive = 2  // infrastructure, unknown, or a control that missed
	exitUsage        = 64 // the command line or an input file is wrong
)

// exitError carries an exit code for a result that has already been printed.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usagef makes an error of the command line: exit 64.
func usagef(format string, args ...any) error {
	return &lab.UsageError{What: fmt.Sprintf(format, args...)}
}

// exitCode maps an error to the exit code that its class promises.
func exitCode(err error) int {
	var printed *exitError
	if errors.As(err, &printed) {
		return printed.code
	}
	var usage *lab.UsageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitInconclusive
}
