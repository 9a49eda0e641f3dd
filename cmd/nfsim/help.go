package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// newHelpCommand is cobra's help command, but for the exit code when there is
// no such command.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "print the help of a command",
		Example: "  nfsim help run\n  nfsim help lab ssh",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("unknown command %q (see `nfsim --help`)", strings.Join(args, " "))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}
