package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// streams are the three standard streams; commands touch no others.
type streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, s streams) int {
	root := newRootCommand(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if cmd == root {
		err = rootError(err)
	}
	code := exitCode(err)
	var silent *exitError
	if !errors.As(err, &silent) {
		fmt.Fprintf(s.Err, "nfsim: %v\n", err)
	}
	return code
}

func newRootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "nfsim",
		Short: "what happens to data on NFS when kubelet, a pod, a node, the network or the server fails",
		Long: `nfsim breaks real machines on purpose (kubelet stopped, pod force-deleted, server
byte flipped) while real workloads write to NFS through real kernel mounts, records
what every vantage point saw, and prints a matrix of outcomes: scenario x mount profile.

Exit codes: 0 as expected, 1 something new, 2 inconclusive (infrastructure, unknown,
a control that missed), 64 usage. Standard output is the result, standard error the progress.`,
		Example: `  nfsim run                                    quick matrix; boots the built-in lab if none is up
  nfsim run --scenario 'kubelet-*' --profile default,noac --repeat 3
  nfsim run --plan                             what would run, and about how long
  nfsim report latest --format markdown
  nfsim lab up && nfsim run && nfsim lab down`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v (see `%s --help`)", err, cmd.CommandPath())
	})
	root.AddCommand(
		newRunCommand(s),
		newCheckCommand(s),
		newReportCommand(s),
		newReproCommand(s),
		newListCommand(s),
		newHealCommand(s),
		newLabCommand(s),
	)
	root.SetHelpCommand(newHelpCommand())
	for _, c := range root.Commands() {
		strictArgs(c)
	}
	return root
}
