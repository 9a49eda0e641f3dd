package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// reap collects the children that others left to this process, which PID 1
// must. The agent has no children of its own to wait for.
func reap() (stop func()) {
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	done := make(chan struct{})
	go func() {
		for {
			collect()
			select {
			case <-child:
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(child)
		close(done)
	}
}

// collect waits for all children that have ended.
func collect() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
