package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/run"
)

func newHealCommand(s streams) *cobra.Command {
	var name, which string
	cmd := &cobra.Command{
		Use:   "heal",
		Short: "undo every fault that a killed nfsim left behind",
		Long: `Replays the journal of open faults of a lab: every undo that was written down before its
fault was done and was not closed since. Undo is idempotent, so heal may be run at any time, and
again. A lab whose machines are gone has nothing to heal.`,
		Example: `  nfsim heal
  nfsim heal --name nightly
  nfsim heal --lab inventory:rack4.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := chooseLab(cmd.Flags(), which)
			if err != nil {
				return err
			}
			l, err := c.attach(cmd.Context(), name, progressTo(s))
			if err != nil {
				return err
			}
			return errors.Join(heal(cmd.Context(), s, l), l.Close())
		},
	}
	labFlag(cmd.Flags(), &which)
	cmd.Flags().StringVar(&name, "name", qemu.DefaultName, "the lab's name")
	return cmd
}

func heal(ctx context.Context, s streams, l lab.Lab) error {
	// A run in progress has open faults that are none of ours.
	release, err := l.Acquire(ctx, "nfsim heal")
	if err != nil {
		return err
	}
	defer release()
	journal, err := fault.OpenJournal(l.StateDir(), l.Name())
	if err != nil {
		return err
	}
	healed, err := fault.HealAll(ctx, journal, run.FaultReach(l), func(format string, args ...any) {
		fmt.Fprintf(s.Err, format+"\n", args...)
	})
	for _, h := range healed {
		fmt.Fprintf(s.Out, "healed %s on %s\n", h.Name, h.Machine)
	}
	if err == nil && len(healed) == 0 {
		fmt.Fprintln(s.Out, "nothing to heal")
	}
	return err
}
