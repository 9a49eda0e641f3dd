package fault

import "golang.org/x/sys/unix"

// mono returns CLOCK_MONOTONIC in nanoseconds: the one clock that every
// process on this machine shares, so that a fault's times can be laid beside a
// history's. time.Now has no absolute monotonic reading.
func mono() int64 {
	var ts unix.Timespec
	// clock_gettime(2) fails only for an unknown clock or a bad pointer.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}
