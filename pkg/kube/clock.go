package kube

import "golang.org/x/sys/unix"

// mono is the controller's CLOCK_MONOTONIC in ns, the clock on which a run
// records all that it observes (pkg/agent's Mono reads the same).
func mono() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("CLOCK_MONOTONIC cannot be read: " + err.Error())
	}
	return ts.Nano()
}
