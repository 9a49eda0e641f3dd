package sshnode

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// UnitState is what systemd says about a unit; see org.freedesktop.systemd1(5).
// The times are the node's CLOCK_MONOTONIC, 0 if it never happened.
type UnitState struct {
	Load      string // "loaded", "not-found", "masked"...
	Active    string // "active", "inactive", "failed", "activating", "deactivating"...
	Sub       string // "running", "exited", "dead", "auto-restart"...
	Result    string // "success", "signal", "timeout"...; empty for units that have none
	MainPID   int    // 0: none
	NRestarts int    // automatic restarts since the unit was started by hand

	ActiveEnterMonotonic   time.Duration // last became active
	ActiveExitMonotonic    time.Duration // last left active
	InactiveEnterMonotonic time.Duration // last became inactive or failed
	MainStartMonotonic     time.Duration // main process started
	MainExitMonotonic      time.Duration // main process ended
}

// String is the state in one line.
func (s UnitState) String() string {
	return fmt.Sprintf("%s, %s (%s), result %q, main process %d", s.Load, s.Active, s.Sub, s.Result, s.MainPID)
}

// unitProperties lists what parseUnitState understands.
func unitProperties() []string {
	return []string{
		"LoadState", "ActiveState", "SubState", "Result", "MainPID", "NRestarts",
		"ActiveEnterTimestampMonotonic", "ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic",
		"ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic",
	}
}

// parseUnitState reads the output of systemctl show. Properties that the unit's
// type does not have are missing there, LoadState and ActiveState never.
func parseUnitState(out []byte) (UnitState, error) {
	var s UnitState
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		key, value, ok := strings.Cut(sc.Text(), "=")
		if !ok {
			continue
		}
		var err error
		switch key {
		case "LoadState":
			s.Load = value
		case "ActiveState":
			s.Active = value
		case "SubState":
			s.Sub = value
		case "Result":
			s.Result = value
		case "MainPID":
			s.MainPID, err = parseCount(value)
		case "NRestarts":
			s.NRestarts, err = parseCount(value)
		case "ActiveEnterTimestampMonotonic":
			s.ActiveEnterMonotonic, err = parseMicroseconds(value)
		case "ActiveExitTimestampMonotonic":
			s.ActiveExitMonotonic, err = parseMicroseconds(value)
		case "InactiveEnterTimestampMonotonic":
			s.InactiveEnterMonotonic, err = parseMicroseconds(value)
		case "ExecMainStartTimestampMonotonic":
			s.MainStartMonotonic, err = parseMicroseconds(value)
		case "ExecMainExitTimestampMonotonic":
			s.MainExitMonotonic, err = parseMicroseconds(value)
		}
		if err != nil {
			return UnitState{}, fmt.Errorf("parse %s of systemctl show: %w", key, err)
		}
	}
	if err := sc.Err(); err != nil {
		return UnitState{}, fmt.Errorf("parse systemctl show: %w", err)
	}
	if s.Load == "" || s.Active == "" {
		return UnitState{}, errors.New("parse systemctl show: no LoadState or no ActiveState")
	}
	return s, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

func parseMicroseconds(s string) (time.Duration, error) {
	us, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, err
	}
	if us > math.MaxInt64/uint64(time.Microsecond) {
		return 0, fmt.Errorf("%d µs: %w", us, strconv.ErrRange)
	}
	return time.Duration(us) * time.Microsecond, nil
}
