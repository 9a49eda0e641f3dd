package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// header returns the lines above the matrix: what was under test, and when.
func (r *Report) header() []string {
	when := r.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	if r.Ended.IsZero() {
		when += ", not ended"
	} else {
		when += ", " + r.Ended.Sub(r.Started).Round(time.Second).String()
	}
	kind := "quick"
	if r.Full {
		kind = "full"
	}
	lines := []string{
		fmt.Sprintf("%s run %s: %s, nfsim %s, seed %d", kind, r.ID, when, r.NfsimVersion, r.Seed),
		fmt.Sprintf("lab %s/%s, NFSv4 lease %g s, grace %g s, clock error at most %.3g ms", r.Lab.Provider, r.Lab.Name, r.LeaseS, r.GraceS, r.ClockErrMS),
	}
	lines = append(lines, release(r.Fingerprint)...)
	if r.ClusterFrozen {
		lines = append(lines, "control plane and kubelets stood still: no scenario of this run needs them")
	}
	if slices.ContainsFunc(r.cells(), func(c *Cell) bool {
		return slices.ContainsFunc(c.Repeats, func(rep Repeat) bool { return rep.Script != "" })
	}) {
		lines = append(lines, "by hand: repro.sh in the directory of each trial (nfsim repro)")
	}
	return append(lines, fmt.Sprintf("result: %s: exit %d, %s", r.counts(), r.Exit, r.ExitWhy))
}

// release returns a line for each group of machines that are the same.
func release(print rundir.Fingerprint) []string {
	machines := make(map[string][]string) // versions -> machines
	var order []string
	for _, m := range slices.Sorted(maps.Keys(print)) {
		var versions []string
		for _, what := range slices.Sorted(maps.Keys(print[m])) {
			versions = append(versions, what+" "+print[m][what])
		}
		text := strings.Join(versions, ", ")
		if machines[text] == nil {
			order = append(order, text)
		}
		machines[text] = append(machines[text], m)
	}
	var lines []string
	for _, text := range order {
		lines = append(lines, strings.Join(machines[text], ", ")+": "+text)
	}
	return lines
}

// counts returns the number of cells per status, worst first.
func (r *Report) counts() string {
	var parts []string
	for _, s := range rundir.Statuses() {
		if n := r.Counts[string(s)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(parts) == 0 {
		return "no cells"
	}
	return strings.Join(parts, ", ")
}
