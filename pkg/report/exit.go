package report

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// Exit codes of a run.
const (
	ExitExpected     = 0 // every cell as expected, every planted fault caught
	ExitNew          = 1 // something was measured that is not among the expected
	ExitInconclusive = 2 // too little to say, or a detector that missed its planted fault
)

// Exit returns the exit code that the verdicts of a run amount to. A missed
// control makes the run worthless, so it is 2 whatever else was seen; then
// NEW, which is 1, beats what is inconclusive, which is 2. No verdict at all is
// 2: nothing was shown.
func Exit(index rundir.Index) int {
	counts := make(map[string]int)
	for _, v := range index.Verdicts {
		counts[string(known(v.Status))]++
	}
	code, _ := exit(counts)
	return code
}

// exit returns the code for the number of cells per status, and why.
func exit(counts map[string]int) (code int, why string) {
	n := func(s rundir.Status) int { return counts[string(s)] }
	good := n(rundir.StatusExpected) + n(rundir.StatusCaught)
	undecided := n(rundir.StatusInconclusive) + n(rundir.StatusInfra)
	switch {
	case n(rundir.StatusMissed) > 0:
		return ExitInconclusive, fmt.Sprintf("%d planted faults were not caught: nothing in this run can be trusted", n(rundir.StatusMissed))
	case n(rundir.StatusNew) > 0:
		return ExitNew, fmt.Sprintf("%d cells are NEW", n(rundir.StatusNew))
	case undecided > 0:
		return ExitInconclusive, fmt.Sprintf("%d cells are inconclusive", undecided)
	case good == 0:
		return ExitInconclusive, "nothing was measured"
	default:
		return ExitExpected, "everything as expected"
	}
}

// known returns s, or inconclusive for a status that is none.
func known(s rundir.Status) rundir.Status {
	for _, have := range rundir.Statuses() {
		if s == have {
			return s
		}
	}
	return rundir.StatusInconclusive
}
