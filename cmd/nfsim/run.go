package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/repro"
	"github.com/nfsim/nfsim/pkg/run"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// labStopTimeout bounds taking a lab down after a run.
const labStopTimeout = time.Minute

// maxRepeat bounds --repeat: the plan is held in memory.
const maxRepeat = 10_000

// runFlags are the flags of `nfsim run`.
type runFlags struct {
	scenarios, profiles           []string
	repeat                        int
	seed                          int64
	profilesFile                  string
	quick, full, unproven, shapes bool
	plan, keepLab                 bool
	pauseAt                       string
	runs, format                  string
	lab                           string
	spec                          qemu.Spec
	choice                        choice // what lab and spec come to
}

func newRunCommand(s streams) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "break a lab on purpose, record what every vantage point saw, print the matrix",
		Long: `Runs every selected scenario with every selected profile and prints a matrix of outcomes.

The lab is that of the Vagrantfile here if its machines run, else the built-in one; --lab
chooses: qemu, vagrant, or inventory:FILE for machines of your own (docs/labs.md).

If the built-in lab named by --name is up it is used and left up. Else it is started from its
ready snapshot (the first time ever: built and booted) and taken down at the end; --keep-lab
leaves it up. Control scenarios, whose planted faults must be caught, are always added.

A quick run, the default, keeps to short axes and to the lab's own lease. A full run has the
long ones too (quiet times up to 70 s, faults longer than the default timers), with a lease and
grace time of 90 s.

The record is kept in the runs directory: judge it again with 'nfsim check', show it again
with 'nfsim report', and repeat a cell by hand with the script that 'nfsim repro' prints.

With --pause-at one cell stands still right before its setup, fault, recovery or teardown, so
that you can look: Enter goes on, or, when standard input is no terminal, SIGCONT; Ctrl-C puts
everything back. What is recorded then is no result, and needs no control (docs/by-hand.md).`,
		Example: `  nfsim run
  nfsim run --scenario 'kubelet-*' --profile default,noac --repeat 3
  nfsim run --plan
  nfsim run --full --scenario 'nfs/*' --profiles mine.yaml
  nfsim run --kubelet v1.34.4 --kubernetes v1.36.3 --keep-lab
  nfsim run --lab inventory:rack4.yaml --scenario close-to-open
  nfsim run --scenario force-delete-while-down --profile default --pause-at fault
  nfsim run --format json > matrix.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"scenario", "profile"} {
				if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "[]" {
					return usagef("--%s is empty: give a glob, or leave the flag out for all (see `nfsim list %ss`)", name, name)
				}
			}
			var err error
			if f.choice, err = chooseLab(cmd.Flags(), f.lab); err != nil {
				return err
			}
			if f.full && cmd.Flags().Changed("quick") {
				return usagef("--quick and --full exclude each other")
			}
			if !f.quick {
				f.full = true
			}
			if cmd.Flags().Changed("pause-at") {
				if err := checkPausePoint(f.pauseAt); err != nil {
					return err
				}
			}
			return runMatrix(cmd.Context(), s, f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.scenarios, "scenario", nil, "globs on scenario names (see `nfsim list scenarios`); default all")
	flags.StringSliceVar(&f.profiles, "profile", nil, "globs on profile names (see `nfsim list profiles`); default all")
	addProfilesFlag(flags, &f.profilesFile)
	flags.BoolVar(&f.quick, "quick", true, "short axes only")
	flags.BoolVar(&f.full, "full", false, "the long axes too, with a lease and grace time of 90 s")
	flags.BoolVar(&f.unproven, "unproven", false, "also scenarios that no trial on real machines has been recorded of yet")
	flags.BoolVar(&f.shapes, "shapes", false, "also a pod for each shape of a volume (inline, subPath, two on one claim), for the first profile; a full run has them for all")
	flags.IntVar(&f.repeat, "repeat", 1, "executions of every cell")
	flags.Int64Var(&f.seed, "seed", 0, "seed of everything drawn at random, recorded with the run; 0 draws one")
	flags.BoolVar(&f.plan, "plan", false, "print what would run and about how long, and do nothing")
	flags.StringVar(&f.pauseAt, "pause-at", "", "stand still before this `phase` of one cell: setup, fault, recovery or teardown")
	flags.BoolVar(&f.keepLab, "keep-lab", false, "leave a lab that this run started up afterwards")
	flags.StringVar(&f.runs, "runs", rundir.DefaultRoot, "directory of run directories")
	flags.StringVar(&f.format, "format", formatText, "format of the matrix: text, markdown or json")
	labFlag(flags, &f.lab)
	addSpecFlags(flags, &f.spec)
	return cmd
}

func runMatrix(ctx context.Context, s streams, f runFlags) error {
	if err := report.CheckFormat(f.format); err != nil {
		return usagef("%v", err)
	}
	if f.repeat < 1 || f.repeat > maxRepeat {
		return usagef("--repeat %d: from 1 to %d", f.repeat, maxRepeat)
	}
	spec := f.spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		return err
	}
	if f.seed == 0 {
		f.seed = time.Now().UnixNano()
	}
	profiles, err := profilesOf(f.profilesFile)
	if err != nil {
		return err
	}
	plan, err := run.MakePlan(run.Request{
		Scenarios: f.scenarios, Profiles: f.profiles, Repeat: f.repeat, Seed: f.seed, Full: f.full, Unproven: f.unproven, Shapes: f.shapes, ProfilesFile: f.profilesFile,
		NoControls: f.pauseAt != "",
	}, profiles)
	if err != nil {
		return err
	}
	if err := checkPaused(f.pauseAt, plan); err != nil {
		return err
	}
	if f.plan {
		printPlan(s, plan, spec.Workers)
		return nil
	}
	p := newProgress(s.Err, plan, f.pauseAt == "")
	defer p.stop()
	p.Say("%s", summary(plan, spec.Workers))
	for _, name := range plan.Added {
		p.Say("added %s: no run is worth anything without its control", name)
	}
	used, err := openLab(ctx, f, p)
	if err != nil {
		return err
	}
	pauses := newPauses(s, f, used.lab)
	images := &shareImages{logf: p.Say}
	recorded, err := run.Execute(ctx, used.lab, plan, run.Options{
		RunsDir: f.runs, Version: version(), Command: os.Args, Disposable: used.disposable, Progress: p, Pause: pauses.pauser(), ShareImage: images.get,
	})
	err = errors.Join(err, used.finish(), images.release())
	pauses.sayIfNone(p)
	p.stop()
	if recorded == nil {
		return err
	}
	fmt.Fprintf(s.Err, "recorded in %s\n", recorded.Dir())
	code, judgeErr := judgeAndShow(s, recorded, f.format)
	if err = errors.Join(err, judgeErr); err != nil {
		return err
	}
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// judgeAndShow checks a recorded run, prints its matrix and returns the exit
// code that it earns.
func judgeAndShow(s streams, recorded *rundir.Run, format string) (int, error) {
	if _, err := run.Check(recorded); err != nil {
		return exitInconclusive, err
	}
	if err := repro.WriteAll(recorded); err != nil {
		// What was judged is worth showing without them.
		fmt.Fprintf(s.Err, "nfsim: not every trial has a repro.sh: %v\n", err)
	}
	return show(s, recorded, format)
}

// usedLab is the lab that a run uses, alone.
type usedLab struct {
	lab        lab.Lab
	disposable bool         // it ends with the run
	finish     func() error // gives back what was taken
}

// openLab attaches to the lab that is chosen, or starts the built-in one, to
// live as long as this process unless it is kept.
func openLab(ctx context.Context, f runFlags, p *progress) (usedLab, error) {
	spec := f.spec.WithDefaults()
	l, err := f.choice.attach(ctx, spec.Name, p.Say)
	var notUp *qemu.NotUpError
	if errors.As(err, &notUp) {
		return startLab(ctx, f, p)
	}
	if err != nil {
		return usedLab{}, err
	}
	p.Say("using lab %s, which is up", l.Name())
	if builtIn, ok := l.(*qemu.Lab); ok {
		err = sameRelease(ctx, builtIn, f.spec)
	}
	release := func() {}
	if err == nil {
		release, err = l.Acquire(ctx, "nfsim run")
	}
	if err != nil {
		return usedLab{}, errors.Join(err, l.Close())
	}
	return usedLab{lab: l, finish: func() error { release(); return l.Close() }}, nil
}

// startLab starts the built-in lab.
func startLab(ctx context.Context, f runFlags, p *progress) (usedLab, error) {
	name := f.spec.WithDefaults().Name
	p.Say("lab %s is not up: starting it", name)
	l, err := qemu.Start(ctx, f.spec, qemu.Options{Tether: true, Logf: p.Say})
	if err != nil {
		return usedLab{}, err
	}
	release, err := l.Acquire(ctx, "nfsim run")
	if err != nil {
		return usedLab{}, errors.Join(err, l.Close())
	}
	return usedLab{lab: l, disposable: !f.keepLab, finish: func() error {
		release()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), labStopTimeout)
		defer cancel()
		var err error
		if f.keepLab {
			if err = l.Release(ctx); err == nil {
				p.Say("lab %s stays up: take it down with `nfsim lab down --name %s`", name, name)
			}
		} else {
			err = l.Down(ctx)
		}
		return errors.Join(err, l.Close())
	}}, nil
}

// sameRelease refuses to measure another release than the one asked for.
func sameRelease(ctx context.Context, l *qemu.Lab, asked qemu.Spec) error {
	status, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if what := asked.DiffersFrom(status.Spec); what != "" {
		return &lab.UsageError{
			What:   fmt.Sprintf("lab %s is up with another %s than was asked for", l.Name(), what),
			Advice: "take it down first, or give another --name",
		}
	}
	return nil
}
