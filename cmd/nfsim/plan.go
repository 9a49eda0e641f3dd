package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/run"
)

// summary is what a plan comes to, in a line.
func summary(plan run.Plan, workers int) string {
	kind := "quick run"
	if plan.Full {
		kind = "full run (lease and grace 90 s)"
	}
	executed, cells := 0, 0
	for _, b := range plan.Batches {
		if b.NotApplicable == "" {
			executed++
			cells += len(b.Profiles)
		}
	}
	return fmt.Sprintf("%s: %d cells in %d batches, about %s on a ready lab, seed %d", kind, cells, executed, plan.Estimate(workers).Round(time.Second), plan.Seed)
}

// printPlan says what would run: batches in the order in which they start,
// and then what is left out, with the reason.
func printPlan(s streams, plan run.Plan, workers int) {
	fmt.Fprintln(s.Out, summary(plan, workers))
	for _, b := range plan.Batches {
		if b.NotApplicable == "" {
			fmt.Fprintf(s.Out, "  %-34s about %-5s %v\n", fmt.Sprintf("%s #%d", b.Scenario.ID(), b.Repeat), b.Estimate(plan.Full), profileNames(b))
		}
	}
	printLeftOut(s.Out, plan)
	for _, name := range plan.Added {
		fmt.Fprintf(s.Out, "  (%s was added: controls are part of every run)\n", name)
	}
}

// printLeftOut lists the cells that are not executed, those of one reason
// together.
func printLeftOut(w io.Writer, plan run.Plan) {
	var reasons []string
	cells := map[string][]string{}
	for _, b := range plan.Batches {
		if b.NotApplicable == "" {
			continue
		}
		if cells[b.NotApplicable] == nil {
			reasons = append(reasons, b.NotApplicable)
		}
		cells[b.NotApplicable] = append(cells[b.NotApplicable], fmt.Sprintf("%s #%d %v", b.Scenario.ID(), b.Repeat, profileNames(b)))
	}
	for _, reason := range reasons {
		fmt.Fprintf(w, "  not run, %s:\n    %s\n", reason, strings.Join(cells[reason], ", "))
	}
}

func profileNames(b run.Batch) []string {
	names := make([]string, len(b.Profiles))
	for i, p := range b.Profiles {
		names[i] = p.Name
	}
	return names
}
