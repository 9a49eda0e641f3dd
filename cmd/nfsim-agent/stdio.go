package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/nfsim/nfsim/pkg/agent/executor"
	"golang.org/x/sys/unix"
)

// stdio serves one session. Its streams end with it.
func stdio(args []string, stdin io.Reader, stdout io.Writer) error {
	if _, err := parse(newFlags("stdio"), args); err != nil {
		return err
	}
	if err := settle(); err != nil {
		return err
	}
	a := executor.New(executor.Options{Exit: os.Exit})
	defer a.StopAll()
	return a.Serve(context.Background(), stdin, stdout)
}

// settle takes the process off whatever it was started on: the working
// directory may be on NFS, and files get the mode that requests ask for.
func settle() error {
	unix.Umask(0)
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("leave the working directory: %w", err)
	}
	return nil
}
