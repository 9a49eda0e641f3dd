package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab"
)

// strictArgs turns cobra's own argument errors into usage errors (exit 64),
// for every command below c.
func strictArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return argsError(cmd, args, err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strictArgs(sub)
	}
}

// argsError says which arguments a command takes. To a command that has others
// below it, what cobra says of the first argument is the better error.
func argsError(cmd *cobra.Command, args []string, err error) error {
	see := cmd.CommandPath() + " --help"
	switch {
	case cmd.HasSubCommands():
		return usagef("%v (see `%s`)", err, see)
	case len(args) == 0:
		return usagef("`%s` wants an argument: %s (see `%s`)", cmd.CommandPath(), cmd.UseLine(), see)
	default:
		return usagef("`%s` does not take the arguments %q: %s (see `%s`)", cmd.CommandPath(), args, cmd.UseLine(), see)
	}
}

// rootError classes an error of the root command, which runs nothing itself:
// the command line is wrong. Cobra's suggestions span several lines.
func rootError(err error) error {
	var usage *lab.UsageError
	if errors.As(err, &usage) {
		return err
	}
	return usagef("%s (see `nfsim --help`)", strings.Join(strings.Fields(err.Error()), " "))
}
