// Package run turns a selection of scenarios and profiles into a plan, drives
// the lab through it and judges what was recorded.
//
//	plan, err := run.MakePlan(run.Request{Scenarios: []string{"kubelet-*"}, Seed: 1})
//	recorded, err := run.Execute(ctx, l, plan, run.Options{RunsDir: "runs"})
//	index, err := run.Check(recorded)
package run

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Request is what the user asked for.
type Request struct {
	Scenarios []string // globs on the name or family/name; empty: all
	Profiles  []string // globs on the name; empty: all
	Repeat    int      // executions of every cell, at least 1
	Seed      int64    // of everything that is drawn at random
	Full      bool     // the long axes too; see scenarios.Batch
	Unproven  bool     // also those of scenarios.Unproven
	Shapes    bool     // also a pod for each shape of a volume, for one profile; a full run has them for all
	// NoControls leaves the controls out that were not asked for: what is recorded
	// is for a person to look at, and no result.
	NoControls bool
	// ProfilesFile is where the user's own profiles come from, for commands that
	// repeat a cell.
	ProfilesFile string
}

// Plan is the matrix cut into batches. A batch is one execution of one
// scenario for all its profiles at once: the fault is done once and observed
// for each of them.
type Plan struct {
	Seed int64
	Full bool // the long axes too
	// Shapes is that of the request.
	Shapes bool
	// ProfilesFile is that of the request.
	ProfilesFile string
	Batches      []Batch
	Profiles     []nfs.Profile
	// Added names the control scenarios that were not asked for. No run is
	// worth anything without them.
	Added []string
}

// Batch is one execution of a scenario in a plan.
type Batch struct {
	ID       string // unique in the run, fit for a path and a Kubernetes name
	Scenario scenarios.Scenario
	Profiles []nfs.Profile
	Repeat   int // from 1
	// Server is what the profiles want the whole server to be told meanwhile.
	Server nfs.ServerSetting
	// Alone says that no other batch may run at once, be it for the scenario's
	// sake or the profiles'.
	Alone bool
	// NotApplicable is why the cells are not executed; empty: they are.
	NotApplicable string
}

// Cells is the number of trials.
func (p Plan) Cells() int {
	n := 0
	for _, b := range p.Batches {
		n += len(b.Profiles)
	}
	return n
}

// Estimate is about how long the plan takes on a ready lab under TCG, from
// the scenarios' own estimates and how many targets may run side by side.
func (p Plan) Estimate(workers int) time.Duration {
	var alone, targeted, longest time.Duration
	for _, b := range p.Batches {
		estimate := b.Estimate(p.Full)
		switch {
		case b.Alone:
			alone += estimate
		case b.Scenario.Target:
			targeted += estimate
		default:
			longest = max(longest, estimate)
		}
	}
	return alone + max(longest, targeted/time.Duration(max(workers, 1)))
}

// Estimate is about how long the batch takes under TCG.
func (b Batch) Estimate(full bool) time.Duration {
	switch {
	case b.NotApplicable != "":
		return 0
	case full && b.Scenario.FullEstimate != 0:
		return b.Scenario.FullEstimate
	default:
		return b.Scenario.Estimate
	}
}

// repro is the command that repeats a cell.
func (p Plan) repro(s scenarios.Scenario, profile nfs.Profile) string {
	command := fmt.Sprintf("nfsim run --scenario %s --profile '%s' --seed %d", s.ID(), profile.Name, p.Seed)
	if profile.Added {
		command += " --profiles " + sshnode.Quote(p.ProfilesFile)
	}
	if p.Full {
		command += " --full"
	} else if s.Shapes && p.shaped(profile) {
		command += " --shapes"
	}
	return command
}

// MakePlan selects scenarios and profiles. Nothing selected, a pattern that
// matches nothing, or a malformed one is a *lab.UsageError.
func MakePlan(req Request, profiles []nfs.Profile) (Plan, error) {
	selected, err := selectScenarios(req)
	if err != nil {
		return Plan{}, err
	}
	columns, err := chooseColumns(req.Profiles, profiles, selected)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Seed: req.Seed, Full: req.Full, Shapes: req.Shapes, ProfilesFile: req.ProfilesFile, Profiles: columns.chosen}
	if !req.NoControls {
		selected, plan.Added = withControls(selected)
	}
	for repeat := 1; repeat <= max(req.Repeat, 1); repeat++ {
		for _, s := range selected {
			plan.Batches = append(plan.Batches, batchesOf(s, columns.of(s), repeat, req.Full)...)
		}
	}
	// What may run side by side comes first, the longest at the head; what
	// wants the lab for itself comes after it.
	sort.SliceStable(plan.Batches, func(i, j int) bool {
		a, b := plan.Batches[i], plan.Batches[j]
		if a.Alone != b.Alone {
			return !a.Alone
		}
		return a.Estimate(req.Full) > b.Estimate(req.Full)
	})
	return plan, nil
}

// firstAtHome is the first profile that needs no batch apart, or else the first.
func firstAtHome(chosen []nfs.Profile) nfs.Profile {
	i := slices.IndexFunc(chosen, func(p nfs.Profile) bool { return len(p.Aspects()) == 0 })
	return chosen[max(i, 0)]
}

// shaped says whether a profile's cells have the shapes of volumes too: in a
// quick run only where they are asked for, and then those of the first profile
// that needs no batch apart, as half a dozen pods take a minute or more to start
// on an emulated machine.
func (p Plan) shaped(profile nfs.Profile) bool {
	return p.Full || p.Shapes && len(p.Profiles) > 0 && firstAtHome(p.Profiles).Name == profile.Name
}

func selectScenarios(req Request) ([]scenarios.Scenario, error) {
	patterns, all := req.Scenarios, scenarios.List()
	if req.Unproven {
		all = scenarios.All()
	}
	if len(patterns) == 0 {
		return all, nil
	}
	used := make([]bool, len(all))
	for _, pattern := range patterns {
		hit := false
		for i, s := range all {
			ok, err := s.Match(pattern)
			if err != nil {
				return nil, &lab.UsageError{What: fmt.Sprintf("scenario pattern %q: %v", pattern, err)}
			}
			if ok {
				used[i], hit = true, true
			}
		}
		if !hit {
			return nil, &lab.UsageError{
				What:   fmt.Sprintf("no scenario matches %q", pattern),
				Advice: "there are: " + strings.Join(names(all), ", "),
			}
		}
	}
	var out []scenarios.Scenario
	for i, s := range all {
		if used[i] {
			out = append(out, s)
		}
	}
	return out, nil
}

func names(list []scenarios.Scenario) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.ID()
	}
	return out
}

func selectProfiles(patterns []string, all []nfs.Profile) ([]nfs.Profile, error) {
	chosen, err := nfs.Match(all, patterns)
	var none *nfs.NoMatchError
	if errors.As(err, &none) {
		return nil, &lab.UsageError{
			What:   fmt.Sprintf("no profile matches %q", none.Glob),
			Advice: "there are: " + strings.Join(none.Known, ", "),
		}
	}
	if err != nil {
		return nil, &lab.UsageError{What: err.Error()}
	}
	return chosen, nil
}

// withControls adds every control scenario that is not there yet and whose
// detectors the selected ones rest on: those of their families, and those of
// the mounts that all families share.
func withControls(selected []scenarios.Scenario) (all []scenarios.Scenario, added []string) {
	have, families := map[string]bool{}, map[string]bool{scenarios.FamilyNFS: true, scenarios.FamilyControl: true}
	for _, s := range selected {
		have[s.ID()] = true
		families[s.Family] = true
	}
	for _, s := range scenarios.List() {
		if s.Control && families[s.Family] && !have[s.ID()] {
			selected = append(selected, s)
			added = append(added, s.ID())
		}
	}
	return selected, added
}
