// Package mono reads CLOCK_MONOTONIC, the one clock that intervals are taken
// on, and waits on it: it never steps, and all processes of a machine share it.
//
//	t0 := mono.Now()
//	err := call()
//	took := time.Duration(mono.Now() - t0)
package mono

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// Sleep waits for d, or for the end of ctx: then the error is its cause.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

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
