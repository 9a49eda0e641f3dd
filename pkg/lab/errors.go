package lab

import (
	"fmt"
	"strings"
)

// UsageError is a request that cannot be met as it was asked: an unknown
// version, a lab that is not up, a lab in use by somebody else. The command
// exits with 64.
type UsageError struct {
	What   string // what is wrong, as a sentence without a full stop
	Advice string // what to do about it; may be empty
	Err    error  // the cause, if there is one
}

// Error joins what is wrong, the cause and the advice.
func (e *UsageError) Error() string {
	return joinReason(e.What, e.Err, e.Advice)
}

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// InfraError is a failure of the machines or of the host that runs them, never
// of what is under test. The command exits with 2.
type InfraError struct {
	Machine     string // the machine that failed; empty when the host did
	What        string // what failed, as a sentence without a full stop
	Advice      string // what to do about it; may be empty
	ConsoleTail string // last lines of the machine's serial console; may be empty
	Err         error  // the cause, if there is one
}

// Error is one paragraph; the console's last lines follow it, indented.
func (e *InfraError) Error() string {
	what := e.What
	if e.Machine != "" {
		what = fmt.Sprintf("machine %s: %s", e.Machine, what)
	}
	msg := joinReason(what, e.Err, e.Advice)
	if e.ConsoleTail == "" {
		return msg
	}
	var b strings.Builder
	b.WriteString(msg)
	fmt.Fprintf(&b, "\nlast lines of the console of %s:", e.Machine)
	for line := range strings.SplitSeq(strings.TrimRight(e.ConsoleTail, "\n"), "\n") {
		b.WriteString("\n  | ")
		b.WriteString(strings.TrimRight(line, "\r"))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *InfraError) Unwrap() error { return e.Err }

func joinReason(what string, err error, advice string) string {
	if err != nil {
		what = fmt.Sprintf("%s: %v", what, err)
	}
	if advice != "" {
		what = fmt.Sprintf("%s (%s)", what, advice)
	}
	return what
}
