package executor

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoName is the name of the system call error in err, such as ESTALE;
// empty for none. What is no errno of the kernel's is its text.
func errnoName(err error) string {
	if err == nil {
		return ""
	}
	var no syscall.Errno
	if !errors.As(err, &no) {
		return err.Error()
	}
	if name := unix.ErrnoName(no); name != "" {
		return name
	}
	return no.Error()
}

// uninterrupted calls f again when a signal interrupted it: the Go runtime
// sends its threads signals, which an application in C would never see.
func uninterrupted(f func() error) error {
	for {
		err := f()
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
