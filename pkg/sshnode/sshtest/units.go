package sshtest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Units plays systemd for the commands that sshnode.Unit sends:
//
//	units := sshtest.NewUnits("kubelet.service")
//	srv := sshtest.New(t, sshtest.Options{Handler: units.Handle(nil)})
type Units struct {
	// Lag is how many looks at a unit or a process it takes until a change can
	// be seen.
	Lag int
	// AutoRestart starts a unit again whose main process a signal has ended.
	AutoRestart bool

	mu      sync.Mutex
	units   map[string]*unit
	lastPID int
	clock   time.Duration // advances with each change
}

type unit struct {
	seen, real sshnode.UnitState
	stopped    bool // the main process, by SIGSTOP
	lag        int  // looks until seen becomes real
	pids       map[int]int
}

// NewUnits makes units that are loaded and inactive. A unit not named here is
// not found.
func NewUnits(names ...string) *Units {
	u := &Units{units: map[string]*unit{}, lastPID: 1 << 22}
	for _, name := range names {
		s := sshnode.UnitState{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success"}
		u.units[name] = &unit{seen: s, real: s, pids: map[int]int{}}
	}
	return u
}

// State is the state that a unit really has, before any lag.
func (u *Units) State(name string) sshnode.UnitState {
	u.mu.Lock()
	defer u.mu.Unlock()
	if un := u.units[name]; un != nil {
		return un.real
	}
	return sshnode.UnitState{Load: "not-found", Active: "inactive", Sub: "dead"}
}

// Handle returns a handler that passes what is not about units to next, which
// may be nil: such commands then exit with status 127.
func (u *Units) Handle(next Handler) Handler {
	return func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		w := strings.Fields(cmd)
		switch {
		case len(w) >= 4 && w[0] == "systemctl":
			return u.systemctl(w[1], w[2:len(w)-1], w[len(w)-1], stdout, stderr)
		case len(w) == 4 && w[0] == "!" && strings.HasPrefix(w[3], "/proc/"):
			return status(u.look(pid(w[3])) == gone)
		case len(w) == 4 && w[0] == "grep" && strings.HasPrefix(w[3], "/proc/"):
			p := u.look(pid(w[3]))
			return status(p != gone && (p == halted) == (w[2] == "'^State:.T'"))
		case next != nil:
			return next(cmd, stdin, stdout, stderr)
		}
		fmt.Fprintf(stderr, "sh: %s: not found\n", cmd)
		return 127
	}
}

func status(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

// pid takes the number out of /proc/123/status.
func pid(path string) int {
	n, err := strconv.Atoi(strings.Split(strings.TrimPrefix(path, "/proc/"), "/")[0])
	if err != nil {
		return -1
	}
	return n
}

type processState int

const (
	gone processState = iota
	running
	halted
)

// look is one look at a process.
func (u *Units) look(pid int) processState {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, un := range u.units {
		if lag, dying := un.pids[pid]; dying {
			if lag <= 0 {
				delete(un.pids, pid)
				return gone
			}
			un.pids[pid]--
			return running
		}
		if un.real.MainPID == pid {
			if un.stopped {
				return halted
			}
			return running
		}
	}
	return gone
}

func (u *Units) systemctl(verb string, args []string, name string, stdout, stderr io.Writer) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	un := u.units[name]
	if un == nil && verb != "show" {
		fmt.Fprintf(stderr, "Failed to %s %s: Unit %s not found.\n", verb, name, name)
		return 5
	}
	switch verb {
	case "show":
		u.show(un, stdout)
	case "start":
		if un.real.Active != "active" {
			u.start(un)
		}
	case "stop":
		u.end(un, "inactive", "success")
	case "restart":
		u.end(un, "inactive", "success")
		u.start(un)
	case "kill":
		u.kill(un, args)
	default:
		fmt.Fprintf(stderr, "Unknown command verb %s.\n", verb)
		return 1
	}
	return 0
}

func (u *Units) show(un *unit, stdout io.Writer) {
	s := sshnode.UnitState{Load: "not-found", Active: "inactive", Sub: "dead"}
	if un != nil {
		if un.lag <= 0 {
			un.seen = un.real
		}
		un.lag--
		s = un.seen
	}
	fmt.Fprintf(stdout, "Result=%s\nNRestarts=%d\nMainPID=%d\nLoadState=%s\nActiveState=%s\nSubState=%s\n",
		s.Result, s.NRestarts, s.MainPID, s.Load, s.Active, s.Sub)
	fmt.Fprintf(stdout, "ActiveEnterTimestampMonotonic=%d\nActiveExitTimestampMonotonic=%d\nInactiveEnterTimestampMonotonic=%d\n",
		s.ActiveEnterMonotonic.Microseconds(), s.ActiveExitMonotonic.Microseconds(), s.InactiveEnterMonotonic.Microseconds())
}

func (u *Units) start(un *unit) {
	u.lastPID++
	u.clock += time.Second
	un.real.Active, un.real.Sub, un.real.Result = "active", "running", "success"
	un.real.MainPID, un.real.ActiveEnterMonotonic = u.lastPID, u.clock
	un.stopped, un.lag = false, u.Lag
}

// end ends a unit's main process.
func (u *Units) end(un *unit, active, result string) {
	if un.real.MainPID == 0 {
		return
	}
	u.clock += time.Second
	un.pids[un.real.MainPID] = u.Lag
	un.real.Active, un.real.Sub, un.real.Result, un.real.MainPID = active, "dead", result, 0
	un.real.ActiveExitMonotonic, un.real.InactiveEnterMonotonic = u.clock, u.clock
	un.lag = u.Lag
}

func (u *Units) kill(un *unit, args []string) {
	for _, a := range args {
		switch a {
		case "--signal=SIGSTOP":
			un.stopped = true
		case "--signal=SIGCONT":
			un.stopped = false
		case "--signal=SIGKILL", "--signal=SIGTERM", "--signal=SIGINT", "--signal=SIGQUIT", "--signal=SIGABRT":
			u.end(un, "failed", "signal")
			if u.AutoRestart {
				u.start(un)
				un.real.NRestarts++
			}
		}
	}
}
