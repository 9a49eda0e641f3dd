package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// pause holds a pod's namespaces: it waits, collects what is left to PID 1,
// and ends on SIGTERM or SIGINT. It says one line when it is ready.
func pause(args []string, stdout io.Writer) error {
	if _, err := parse(newFlags("pause"), args); err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(end)
	defer reap()()
	fmt.Fprintln(stdout, "nfsim-agent: pausing until SIGTERM")
	<-end
	return nil
}
