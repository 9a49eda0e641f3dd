package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/inventory"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/vagrant"
)

// The kinds of labs that --lab names.
const (
	labAuto      = ""
	labQEMU      = "qemu"
	labVagrant   = "vagrant"
	labInventory = "inventory"
)

// choice is what --lab says.
type choice struct {
	kind string
	file string // of an inventory
}

// labFlag is the --lab of commands that use a lab.
func labFlag(flags *pflag.FlagSet, text *string) {
	flags.StringVar(text, "lab", "", "which lab: qemu, vagrant or inventory:`FILE` (default: the Vagrantfile's machines if they run, else qemu)")
}

// chooseLab reads --lab. Flags of the built-in lab that were given settle what
// was left open, and contradict another choice.
func chooseLab(flags *pflag.FlagSet, text string) (choice, error) {
	c := choice{kind: text}
	if file, ok := strings.CutPrefix(text, labInventory+":"); ok {
		c = choice{kind: labInventory, file: file}
	}
	if !slices.Contains([]string{labAuto, labQEMU, labVagrant, labInventory}, c.kind) || c.kind == labInventory && c.file == "" {
		return c, usagef("--lab %q: qemu, vagrant or inventory:FILE", text)
	}
	var given []string
	flags.Visit(func(f *pflag.Flag) {
		if slices.Contains(specFlagNames(), f.Name) {
			given = append(given, "--"+f.Name)
		}
	})
	switch {
	case len(given) == 0 || c.kind == labQEMU:
	case c.kind == labAuto:
		c.kind = labQEMU
	default:
		return c, usagef("%s: only for the built-in lab, not with --lab %s", strings.Join(given, ", "), c.kind)
	}
	return c, nil
}

// attach opens a lab that somebody else starts, or the built-in one if it is
// up. Without a choice it is the Vagrantfile's when its machines run.
func (c choice) attach(ctx context.Context, name string, say func(format string, args ...any)) (lab.Lab, error) {
	switch {
	case c.kind == labInventory:
		return inventory.Open(ctx, c.file, say)
	case c.kind == labVagrant:
		return vagrant.Open(ctx, ".")
	case c.kind == labAuto && vagrant.Here("."):
		say("asking Vagrant for the machines of the Vagrantfile")
		l, err := vagrant.Open(ctx, ".")
		var down *vagrant.NotRunningError
		if !errors.As(err, &down) {
			if err == nil {
				say("using the Vagrantfile's machines (--lab qemu for the built-in lab)")
			}
			return l, err
		}
		say("%s: using the built-in lab", strings.Join(down.Machines, ", "))
	}
	l, err := qemu.Attach(ctx, name)
	if err != nil {
		return nil, err
	}
	return l, nil
}
