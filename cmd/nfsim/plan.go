package main

import (
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/run"
)

// printPlan says what would run: batches in the order in which they start,
// and what is left out, with the reason.
func printPlan(s streams, plan run.Plan, workers int) {
	kind := "quick run"
	if plan.Full {
		kind = "full run (lease and grace 90 s)"
	}
	fmt.Fprintf(s.Out, "%s: %d cells in %d batches, about %s on a ready lab, seed %d\n", kind, plan.Cells(), len(plan.Batches), plan.Estimate(workers).Round(time.Second), plan.Seed)
	for _, b := range plan.Batches {
		names := make([]string, len(b.Profiles))
		for i, p := range b.Profiles {
			names[i] = p.Name
		}
		when := "about " + b.Estimate(plan.Full).String()
		if b.NotApplicable != "" {
			when = "not run"
		}
		fmt.Fprintf(s.Out, "  %-34s %-11s %v\n", fmt.Sprintf("%s #%d", b.Scenario.ID(), b.Repeat), when, names)
		if b.NotApplicable != "" {
			fmt.Fprintf(s.Out, "      %s\n", b.NotApplicable)
		}
	}
	for _, name := range plan.Added {
		fmt.Fprintf(s.Out, "  (%s was added: controls are part of every run)\n", name)
	}
}
