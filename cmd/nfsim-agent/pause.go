package main

import (
	"os"
	"os/signal"
	"syscall"
)

// pause holds a pod's namespaces: it waits, collects what is left to PID 1,
// and ends on SIGTERM or SIGINT.
func pause(args []string) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(end)
	if _, err := parse(newFlags("pause"), args); err != nil {
		return err
	}
	defer reap()()
	<-end
	return nil
}
