package main

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/repro"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

func newReproCommand(s streams) *cobra.Command {
	var root string
	var want wantedTrial
	cmd := &cobra.Command{
		Use:   "repro RUN",
		Short: "print a shell script that repeats one recorded trial by hand",
		Long: `Prints what one trial of a run did as a POSIX shell script of kubectl, ssh, mount, systemctl
and the like: something that a bug report can carry, and that runs on any machines. It is made
of the steps that were recorded, with the recorded times as comments; the pods run an image of
your own (busybox) in place of nfsim's. 'nfsim check' writes the same as repro.sh beside every
trial. Read it before you run it (docs/by-hand.md).`,
		Example: `  nfsim repro latest --scenario force-delete-while-down --profile default
  nfsim repro latest --scenario nfs/server-restart --profile soft > server-restart.sh
  nfsim repro runs/20261120-101500-ab12 --scenario partition --profile v3 --repeat 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			recorded, err := openRun(root, args[0], formatText)
			if err != nil {
				return err
			}
			return recordError(printScript(s.Out, recorded, want))
		},
	}
	cmd.Flags().StringVar(&root, "runs", rundir.DefaultRoot, "directory of run directories")
	cmd.Flags().StringVar(&want.scenario, "scenario", "*", "glob on the scenario's name")
	cmd.Flags().StringVar(&want.profile, "profile", "*", "glob on the profile's name")
	cmd.Flags().IntVar(&want.repeat, "repeat", 1, "which execution of the cell")
	return cmd
}

// wantedTrial is the one trial that is asked for.
type wantedTrial struct {
	scenario, profile string
	repeat            int
}

func (w wantedTrial) match(c rundir.Cell) (bool, error) {
	family, name, _ := strings.Cut(c.Scenario, ".")
	scenario, err := scenarios.Scenario{Family: family, Name: name}.Match(w.scenario)
	if err != nil {
		return false, usagef("scenario pattern %q: %v", w.scenario, err)
	}
	profile, err := path.Match(w.profile, c.Profile)
	if err != nil {
		return false, usagef("profile pattern %q: %v", w.profile, err)
	}
	return scenario && profile && c.Repeat == w.repeat, nil
}

// printScript prints the script of the one trial that matches.
func printScript(out io.Writer, recorded *rundir.Run, want wantedTrial) error {
	trials, err := recorded.Trials()
	if err != nil {
		return err
	}
	var names []string
	var script string
	matched := false
	for _, t := range trials {
		ok, err := want.match(t.Meta.Cell())
		if err != nil {
			return err
		}
		if !ok || t.Err != nil {
			continue
		}
		matched = true
		one, err := repro.Script(recorded, t)
		if err != nil {
			return err
		}
		if one != "" {
			script = one
			names = append(names, fmt.Sprintf("%s with %s", strings.Replace(t.Meta.Scenario, ".", "/", 1), t.Meta.Profile))
		}
	}
	switch {
	case len(names) > 1:
		return usagef("%d trials match, give --scenario and --profile: %s", len(names), strings.Join(names, ", "))
	case !matched:
		return usagef("no trial of run %s matches", recorded.Meta().ID)
	case len(names) == 0:
		return usagef("no steps were recorded: the cell was not executed, or by an older nfsim")
	}
	_, err = io.WriteString(out, script)
	return err
}
