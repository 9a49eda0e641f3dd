package main

import (
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu/keeper"
)

// eventsFD is the descriptor that qemu.Start gives to a keeper.
const eventsFD = 3

// newLabKeeperCommand is the process that owns a lab. It is started by others,
// with descriptors that it relies on, and takes the real ones.
func newLabKeeperCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:    "keeper",
		Short:  "own a lab's machines (started by `nfsim lab up` and `nfsim run`)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			events, err := openEvents()
			if err != nil {
				return err
			}
			return keeper.Run(cmd.Context(), keeper.Options{Name: name, Stdin: os.Stdin, Events: events, Log: os.Stderr})
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}

func openEvents() (io.WriteCloser, error) {
	f := os.NewFile(eventsFD, "events")
	if f == nil {
		return nil, usagef("the keeper is started by `nfsim lab up`, not by hand")
	}
	info, err := f.Stat()
	if err != nil || info.Mode().Type() != os.ModeNamedPipe {
		return nil, usagef("the keeper is started by `nfsim lab up`, not by hand")
	}
	syscall.CloseOnExec(eventsFD)
	return f, nil
}
