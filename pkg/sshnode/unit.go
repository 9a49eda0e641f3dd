package sshnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultUnitTimeout bounds the calls of Unit when their context has no
	// deadline; systemd's own default for a start or a stop is 90 s.
	DefaultUnitTimeout = 2 * time.Minute

	unitPollMin = 50 * time.Millisecond
	unitPollMax = 500 * time.Millisecond
	maxShow     = 64 << 10 // bytes of systemctl show looked at
)

// Unit is a systemd unit of a node. Its calls return when the state that they
// ask for is observed, not when systemd has accepted the job.
type Unit struct {
	node *Node
	name string
}

// UnitError is a unit that did not do what was asked. State is the last one
// observed, the zero value if none was.
type UnitError struct {
	Node, Unit, Op string
	State          UnitState
	Err            error
}

func (e *UnitError) Error() string {
	msg := fmt.Sprintf("%s: %s %s: %v", e.Node, e.Op, e.Unit, e.Err)
	if e.State != (UnitState{}) {
		msg += fmt.Sprintf(" (unit is %s)", e.State)
	}
	return msg
}

// Unwrap returns the cause: a *TransportError, an *ExitError of systemctl, the
// context's error...
func (e *UnitError) Unwrap() error { return e.Err }

// Unit names a systemd unit: "kubelet.service". Nothing is sent.
func (n *Node) Unit(name string) *Unit { return &Unit{node: n, name: name} }

// State returns the unit's present state. A unit that does not exist has Load
// "not-found"; that is no error.
func (u *Unit) State(ctx context.Context) (UnitState, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := u.show(ctx)
	return s, u.fail("show", s, err)
}

// Start starts the unit and waits until it is active. A unit that is active
// already is left as it is.
func (u *Unit) Start(ctx context.Context) (UnitState, error) {
	return u.control(ctx, "start", func(_, now UnitState) bool { return now.Active == "active" }, nil)
}

// Restart restarts the unit and waits until it is active anew, with another
// main process if it has one.
func (u *Unit) Restart(ctx context.Context) (UnitState, error) {
	return u.control(ctx, "restart", func(before, now UnitState) bool {
		return now.Active == "active" && now.ActiveEnterMonotonic != before.ActiveEnterMonotonic &&
			(now.MainPID == 0 || now.MainPID != before.MainPID)
	}, nil)
}

// Stop stops the unit and waits until it is inactive or failed and the main
// process is gone from the node's process table.
func (u *Unit) Stop(ctx context.Context) (UnitState, error) {
	return u.control(ctx, "stop", func(_, now UnitState) bool {
		return (now.Active == "inactive" || now.Active == "failed") && now.MainPID == 0
	}, gone)
}

// control asks systemd for op and waits for want, then for settled, if any.
func (u *Unit) control(ctx context.Context, op string, want func(before, now UnitState) bool, settled processTest) (UnitState, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	before, err := u.show(ctx)
	if err != nil {
		return before, u.fail(op, before, err)
	}
	if _, err := u.node.Run(ctx, Quote("systemctl", op, "--", u.name), WithOutputLimit(maxShow)); err != nil {
		return u.lastState(ctx, op, before, err)
	}
	now, err := u.await(ctx, func(now UnitState) bool { return want(before, now) })
	if err == nil && settled != nil && before.MainPID != 0 {
		err = u.awaitProcess(ctx, before.MainPID, settled)
	}
	return now, u.fail(op, now, err)
}

// lastState looks at the unit once more after a failed command, for the error.
func (u *Unit) lastState(ctx context.Context, op string, known UnitState, err error) (UnitState, error) {
	if now, showErr := u.show(ctx); showErr == nil {
		known = now
	}
	return known, u.fail(op, known, err)
}

// Kill sends a signal ("KILL", "SIGSTOP") to the unit's main process and waits
// until it has had its effect: after KILL, TERM, INT, QUIT or ABRT until the
// process is gone from the process table and systemd has noticed, after STOP
// until it is stopped, after CONT until it is not. Other signals have no effect
// that can be observed from outside; Kill then returns at once. Systemd may start
// the unit again on its own; the state tells.
func (u *Unit) Kill(ctx context.Context, signal string) (UnitState, error) {
	const op = "kill"
	ctx, cancel := bounded(ctx)
	defer cancel()
	name := strings.TrimPrefix(signal, "SIG")
	if !isSignalName(name) {
		return UnitState{}, &UsageError{Node: u.node.cfg.Name, Problem: fmt.Sprintf("kill %s: %q is not the name of a signal", u.name, signal)}
	}
	before, err := u.show(ctx)
	if err != nil {
		return before, u.fail(op, before, err)
	}
	if before.MainPID == 0 {
		return before, u.fail(op, before, errors.New("no main process"))
	}
	// --kill-who is the spelling that systemd knows before and after 252.
	cmd := Quote("systemctl", "kill", "--kill-who=main", "--signal=SIG"+name, "--", u.name)
	if _, err := u.node.Run(ctx, cmd, WithOutputLimit(maxShow)); err != nil {
		return u.lastState(ctx, op, before, err)
	}
	switch {
	case slices.Contains([]string{"KILL", "TERM", "INT", "QUIT", "ABRT"}, name):
		err = u.awaitProcess(ctx, before.MainPID, gone)
	case name == "STOP":
		err = u.awaitProcess(ctx, before.MainPID, stopped)
	case name == "CONT":
		err = u.awaitProcess(ctx, before.MainPID, continued)
	default:
		return u.State(ctx)
	}
	if err != nil {
		return u.lastState(ctx, op, before, err)
	}
	ends := name != "STOP" && name != "CONT"
	now, err := u.await(ctx, func(now UnitState) bool { return !ends || now.MainPID != before.MainPID })
	return now, u.fail(op, now, err)
}

// Await looks at the unit again and again until cond accepts its state.
func (u *Unit) Await(ctx context.Context, cond func(UnitState) bool) (UnitState, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	s, err := u.await(ctx, cond)
	return s, u.fail("await", s, err)
}

func (u *Unit) await(ctx context.Context, cond func(UnitState) bool) (last UnitState, err error) {
	err = poll(ctx, func() (bool, error) {
		s, err := u.show(ctx)
		if err != nil {
			return false, err
		}
		last = s
		return cond(s), nil
	})
	return last, err
}

func (u *Unit) show(ctx context.Context) (UnitState, error) {
	cmd := "systemctl show --property=" + strings.Join(unitProperties(), ",") + " -- " + Quote(u.name)
	res, err := u.node.Run(ctx, cmd, WithOutputLimit(maxShow))
	if err != nil {
		return UnitState{}, err
	}
	return parseUnitState(res.Stdout)
}

// processTest is a shell command line that succeeds when a process is in a
// certain state.
type processTest func(pid int) string

func gone(pid int) string    { return fmt.Sprintf("! test -e /proc/%d", pid) }
func stopped(pid int) string { return fmt.Sprintf("grep -q '^State:.T' /proc/%d/status", pid) }
func continued(pid int) string {
	return fmt.Sprintf("grep -q '^State:.[^T]' /proc/%d/status", pid)
}

// awaitProcess waits until test succeeds.
func (u *Unit) awaitProcess(ctx context.Context, pid int, test processTest) error {
	err := poll(ctx, func() (bool, error) {
		_, err := u.node.Run(ctx, test(pid), WithOutputLimit(maxShow))
		var exit *ExitError
		if errors.As(err, &exit) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("wait for main process %d: %w", pid, err)
	}
	return nil
}

// fail wraps err, unless it is nil, in a *UnitError.
func (u *Unit) fail(op string, s UnitState, err error) error {
	if err == nil {
		return nil
	}
	var e *UnitError
	if errors.As(err, &e) {
		return err
	}
	return &UnitError{Node: u.node.cfg.Name, Unit: u.name, Op: op, State: s, Err: err}
}

// poll calls look, with growing pauses, until it says so, fails, or ctx ends.
func poll(ctx context.Context, look func() (bool, error)) error {
	pause := unitPollMin
	for {
		done, err := look()
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(pause*3/2, unitPollMax)
	}
}

// bounded gives a context without a deadline one.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, DefaultUnitTimeout)
}

// isSignalName tells whether s may name a signal, RTMIN+3 included; systemctl
// knows which do.
func isSignalName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-") == "" && s[0] >= 'A'
}
