package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// formatText is the format for a person, and the default.
const formatText = "text"

func newCheckCommand(s streams) *cobra.Command {
	var root, format string
	cmd := &cobra.Command{
		Use:   "check RUN",
		Short: "judge a recorded run again, from its directory alone",
		Long: `Reads what was recorded (histories, faults, observations, ledgers), judges every trial
with this nfsim's models and expectations, writes the verdicts beside the trials, and prints
the matrix. It needs no lab. RUN is a run directory, an ID below the runs directory, or "latest".`,
		Example: `  nfsim check latest
  nfsim check runs/20261120-101500-ab12 --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			recorded, err := openRun(root, args[0], format)
			if err != nil {
				return err
			}
			code, err := judgeAndShow(s, recorded, format)
			return exitWith(code, recordError(err))
		},
	}
	addReportFlags(cmd, &root, &format)
	return cmd
}

func newReportCommand(s streams) *cobra.Command {
	var root, format string
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "print the matrix of a run that was checked",
		Long: `Prints the matrix of a run from the verdicts in its directory; nothing is judged again.
RUN is a run directory, an ID below the runs directory, or "latest". The exit code is that of
the run: 0 as expected, 1 something new, 2 inconclusive.`,
		Example: `  nfsim report latest
  nfsim report latest --format markdown > matrix.md
  nfsim report latest --format json | jq .`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			recorded, err := openRun(root, args[0], format)
			if err != nil {
				return err
			}
			code, err := show(s, recorded, format)
			return exitWith(code, recordError(err))
		},
	}
	addReportFlags(cmd, &root, &format)
	return cmd
}

func addReportFlags(cmd *cobra.Command, root, format *string) {
	cmd.Flags().StringVar(root, "runs", rundir.DefaultRoot, "directory of run directories")
	cmd.Flags().StringVar(format, "format", formatText, strings.Join(report.Formats(), ", "))
}

// exitWith turns an exit code other than 0 into an error that is silent.
func exitWith(code int, err error) error {
	if err != nil || code == exitOK {
		return err
	}
	return &exitError{code: code}
}

// openRun opens a recorded run.
func openRun(root, name, format string) (*rundir.Run, error) {
	if err := report.CheckFormat(format); err != nil {
		return nil, usagef("%v", err)
	}
	recorded, err := rundir.OpenIn(root, name)
	return recorded, recordError(err)
}

// recordError classes an error of reading a run. What is no run, is of another
// schema, or is damaged is the user's to put right.
func recordError(err error) error {
	var notRun *rundir.NotRunError
	var schema *rundir.SchemaError
	var damaged *rundir.DamagedError
	if errors.As(err, &notRun) || errors.As(err, &schema) || errors.As(err, &damaged) {
		return &lab.UsageError{What: err.Error()}
	}
	return err
}

// show prints a run's matrix and returns the exit code that the run earns.
func show(s streams, recorded *rundir.Run, format string) (int, error) {
	r, err := report.Build(recorded)
	if err != nil {
		return exitInconclusive, err
	}
	return r.Exit, report.Write(s.Out, format, r, textOptions(s.Out))
}

// textOptions fits a text report to where it goes: the terminal's width and
// colours, or neither.
func textOptions(out io.Writer) report.TextOptions {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return report.TextOptions{}
	}
	opts := report.TextOptions{Color: os.Getenv("NO_COLOR") == ""}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		opts.Width = width
	}
	return opts
}
