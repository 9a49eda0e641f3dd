package main

import (
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// goalRatio is the most that a trial should take, as a multiple of the longest
// chain of events that it observed.
const goalRatio = 1.5

// benchmark is a scenario that Kubernetes' own disruptive tests have too
// (test/e2e/storage/utils/pod.go).
type benchmark struct {
	name string
	// sleeps is what upstream's test sleeps at fixed times, on top of the work.
	sleeps time.Duration
}

func upstream() []benchmark {
	return []benchmark{
		{"kubelet.kubelet-restart", 20 * time.Second},
		{"kubelet.delete-while-down", 30 * time.Second},
		{"kubelet.force-delete-while-down", 30 * time.Second},
	}
}

// names are as the command line takes them.
func names(all []benchmark) []string {
	var out []string
	for _, b := range all {
		out = append(out, strings.Replace(b.name, ".", "/", 1))
	}
	return out
}

// againstUpstream prints how long the scenarios that upstream has took, against
// the longest chain of events that each observed: what does not wait for
// anything, and a fixed sleep most of all, makes the ratio larger.
func againstUpstream(trials []*rundir.Trial) {
	for _, b := range upstream() {
		for _, t := range trials {
			if t.Meta.Scenario != b.name {
				continue
			}
			took, chain := t.Meta.Ended.Sub(t.Meta.Started), time.Duration(t.Meta.ChainNS)
			show(t.Meta.Batch, "%.1f s, longest chain of observed events %.1f s: ratio %.2f (goal: at most %.1f; upstream's test sleeps for %.0f s)",
				took.Seconds(), chain.Seconds(), took.Seconds()/chain.Seconds(), goalRatio, b.sleeps.Seconds())
		}
	}
}
