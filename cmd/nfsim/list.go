package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
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
	var file string
	for _, l := range []struct {
		name, short, example string
		rows                 func(w io.Writer) error
	}{
		{"scenarios", "the rows of the matrix", "nfsim list scenarios | grep kubelet/", listScenarios},
		{"profiles", "the columns of the matrix: named sets of mount options", "nfsim list profiles --profiles mine.yaml", func(w io.Writer) error { return listProfiles(w, file) }},
		{"outcomes", "the closed vocabulary of outcomes", "nfsim list outcomes | grep WRITER", listOutcomes},
	} {
		sub := &cobra.Command{
			Use: l.name, Short: l.short, Example: "  " + l.example, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
				if err := l.rows(w); err != nil {
					return err
				}
				return w.Flush()
			},
		}
		if l.name == "profiles" {
			addProfilesFlag(sub.Flags(), &file)
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

func listScenarios(w io.Writer) error {
	for _, sc := range scenarios.List() {
		fmt.Fprintf(w, "%s\t%s\n", sc.ID(), sc.Doc)
	}
	for _, sc := range scenarios.Unproven() {
		fmt.Fprintf(w, "%s\tUNPROVEN (no recorded trial yet; nfsim run --unproven): %s\n", sc.ID(), sc.Doc)
	}
	return nil
}

// listProfiles prints a profile a line: name, mount options, what it is for,
// and what is special: export options, settings of the server, options that
// nfsim does not know.
func listProfiles(w io.Writer, file string) error {
	list, err := profilesOf(file)
	if err != nil {
		return err
	}
	families := map[string]string{} // of columns that are a family's own
	for _, sc := range scenarios.All() {
		for _, p := range sc.Profiles {
			if !slices.ContainsFunc(list, func(known nfs.Profile) bool { return known.Name == p.Name }) {
				list = append(list, p)
				families[p.Name] = sc.Family
			}
		}
	}
	for _, p := range list {
		var also []string
		if family := families[p.Name]; family != "" {
			also = append(also, "a column of family "+family+" alone")
		}
		if p.Export != nfs.DefaultExport {
			also = append(also, "export: "+p.Export)
		}
		if !p.Server.IsZero() {
			also = append(also, "server: "+p.Server.String())
		}
		for _, option := range p.Unknown {
			also = append(also, "unknown to nfsim: "+option)
		}
		doc := p.Doc
		if len(also) > 0 {
			doc = strings.TrimSpace(doc + " [" + strings.Join(also, "; ") + "]")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Options, doc)
	}
	return nil
}

func listOutcomes(w io.Writer) error {
	for _, word := range outcome.Words() {
		name := string(word)
		if unit := word.Unit(); unit != "" {
			name += "(" + unit + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", word.Group(), name, word.Doc())
	}
	return nil
}
