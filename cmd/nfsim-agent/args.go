package main

import (
	"errors"
	"flag"
	"io"
	"strings"
)

// parse reads flags before, between and after the operands named in want, and
// returns the operands.
func parse(fs *flag.FlagSet, args []string, want ...string) ([]string, error) {
	fs.SetOutput(io.Discard)
	var operands []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usagef("%s: %w", fs.Name(), err)
		}
		if fs.NArg() == 0 {
			break
		}
		operands = append(operands, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(operands) != len(want) {
		return nil, usagef("usage: nfsim-agent %s %s", fs.Name(), strings.Join(want, " "))
	}
	return operands, nil
}

func newFlags(mode string) *flag.FlagSet { return flag.NewFlagSet(mode, flag.ContinueOnError) }
