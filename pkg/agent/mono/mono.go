// Package mono reads CLOCK_MONOTONIC, the one clock that intervals are taken
// on: it never steps, and all processes of a machine share it.
//
//	t0 := mono.Now()
//	err := call()
//	took := time.Duration(mono.Now() - t0)
package mono

import "golang.org/x/sys/unix"

// Now returns CLOCK_MONOTONIC in nanoseconds, 0 if the system has none. It
// means nothing on another machine: see agent.ClockMap.
func Now() int64 { return read(unix.CLOCK_MONOTONIC) }

// Real returns CLOCK_REALTIME in nanoseconds since 1970. It may step; never
// take a duration from it.
func Real() int64 { return read(unix.CLOCK_REALTIME) }

func read(clock int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
