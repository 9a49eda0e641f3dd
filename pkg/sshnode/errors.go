package sshnode

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// ExitError is a command that ran on the node and ended with a status other
// than 0 or by a signal. Result holds what it printed.
type ExitError struct {
	Node, Cmd string
	Result    Result
}

// Error names the node, the command, the status and the end of standard error.
func (e *ExitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %q ", e.Node, brief(e.Cmd))
	if e.Result.Signal != "" {
		fmt.Fprintf(&b, "was killed by signal %s", e.Result.Signal)
	} else {
		fmt.Fprintf(&b, "exited with status %d", e.Result.ExitStatus)
	}
	if tail := lastWords(e.Result.Stderr); tail != "" {
		b.WriteString(": " + tail)
	}
	return b.String()
}

// TransportError is a connection or a session that broke, or could not be had.
// If Op is a command, whether it ran, and to what end, is unknown.
type TransportError struct {
	Node, Op string
	Err      error
}

func (e *TransportError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Node, e.Op, e.Err) }

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// SessionRefusedError is a node that is reached but grants no further session.
// It comes wrapped in a *TransportError; the connection itself lives on.
type SessionRefusedError struct {
	Reason  ssh.RejectionReason
	Message string // the node's words
}

func (e *SessionRefusedError) Error() string {
	return fmt.Sprintf("node refused another session (%s: %q): too many at once? raise MaxSessions in its sshd_config (OpenSSH grants 10)",
		e.Reason, brief(e.Message))
}

// UsageError is a Config or an argument that can never work.
type UsageError struct {
	Node    string // may be empty
	Problem string
	Err     error // may be nil
}

func (e *UsageError) Error() string {
	msg := e.Problem
	if e.Node != "" {
		msg = e.Node + ": " + msg
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause, if any.
func (e *UsageError) Unwrap() error { return e.Err }

// AuthError is a node that accepted none of the offered keys.
type AuthError struct {
	Node, Addr, User string
	Offered          []string // fingerprints of the keys, "ssh-ed25519 SHA256:..."
	Err              error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("%s: log in to %s as %s: %v (keys offered: %s): check the user and its authorized_keys",
		e.Node, e.Addr, e.User, e.Err, strings.Join(e.Offered, ", "))
}

// Unwrap returns the cause.
func (e *AuthError) Unwrap() error { return e.Err }

// TooLargeError is a file that Get did not read to its end.
type TooLargeError struct {
	Node, Path string
	Limit      int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: get %s: larger than the limit of %d bytes", e.Node, e.Path, e.Limit)
}

// isIO tells whether err comes from the byte stream below SSH rather than from
// what the two sides said over it.
func isIO(err error) bool {
	var netErr net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) || errors.As(err, &netErr)
}

const (
	maxBrief     = 200  // bytes of a command or a peer's message shown in an error
	maxLastWords = 1024 // bytes of standard error shown in an error
)

// brief shortens s for an error message.
func brief(s string) string {
	if len(s) <= maxBrief {
		return s
	}
	return strings.ToValidUTF8(s[:maxBrief], "") + "..."
}

// lastWords returns the end of what a command printed, fit for one line: a
// node must not be able to drive the terminal through an error message.
func lastWords(b []byte) string {
	if len(b) > maxLastWords {
		b = b[len(b)-maxLastWords:]
	}
	s := strings.Map(func(r rune) rune {
		if r == '\n' {
			return ';'
		}
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.TrimSpace(strings.ToValidUTF8(string(b), "")))
	return s
}
