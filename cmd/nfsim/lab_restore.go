package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabRestoreCommand(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "restore",
		Short:   "put all machines of a lab back to the ready snapshot",
		Long:    "What the machines have done since the lab came up is gone, and connections to them break.",
		Example: "  nfsim lab restore",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return useLab(cmd, name, func(l *qemu.Lab) error {
				begin := time.Now()
				if err := l.Restore(cmd.Context()); err != nil {
					return err
				}
				fmt.Fprintf(s.Err, "lab %s is ready again after %.1f s\n", name, time.Since(begin).Seconds())
				return nil
			})
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}

func newLabResetCommand(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "reset MACHINE",
		Short:   "press a machine's reset button",
		Long:    "Nothing is flushed and nothing is told. Returns once the button is pressed; the machine boots after that.",
		Example: "  nfsim lab reset worker1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return useLab(cmd, name, func(l *qemu.Lab) error {
				if err := l.Reset(cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(s.Err, "%s is reset\n", args[0])
				return nil
			})
		},
	}
	labNameFlag(cmd, &name)
	return cmd
}

// useLab does something to a lab that nobody else uses.
func useLab(cmd *cobra.Command, name string, do func(*qemu.Lab) error) error {
	l, err := qemu.Attach(cmd.Context(), name)
	if err != nil {
		return err
	}
	defer l.Close()
	release, err := l.Acquire(cmd.Context(), "nfsim lab "+cmd.Name())
	if err != nil {
		return err
	}
	defer release()
	return do(l)
}
