package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

func newListCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list scenarios|profiles|outcomes",
		Short: "what there is to choose from, and what the words mean",
		Example: `  nfsim list scenarios
  nfsim list outcomes | grep WRITER`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return usagef("unknown list %q: want scenarios, profiles or outcomes", args[0])
			}
			return usagef("want one of scenarios, profiles, outcomes")
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, l := range []struct {
		name, short, example string
		rows                 func(w io.Writer)
	}{
		{"scenarios", "the rows of the matrix", "nfsim list scenarios | grep kubelet/", listScenarios},
		{"profiles", "the columns of the matrix: named sets of mount options", "nfsim list profiles", listProfiles},
		{"outcomes", "the closed vocabulary of outcomes", "nfsim list outcomes | grep WRITER", listOutcomes},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: l.name, Short: l.short, Example: "  " + l.example, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
				l.rows(w)
				return w.Flush()
			},
		})
	}
	return cmd
}

func listScenarios(w io.Writer) {
	for _, sc := range scenarios.List() {
		fmt.Fprintf(w, "%s\t%s\n", sc.ID(), sc.Doc)
	}
}

func listProfiles(w io.Writer) {
	for _, p := range nfs.Builtin() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Options, p.Doc)
	}
}

func listOutcomes(w io.Writer) {
	for _, word := range outcome.Words() {
		name := string(word)
		if unit := word.Unit(); unit != "" {
			name += "(" + unit + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", word.Group(), name, word.Doc())
	}
}
