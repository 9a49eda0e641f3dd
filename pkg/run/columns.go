package run

import (
	"slices"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// columns are the profiles that scenarios are executed for.
type columns struct {
	matched []nfs.Profile // by the user's patterns, whosesoever they are
	chosen  []nfs.Profile // of scenarios without profiles of their own
}

// chooseColumns matches the user's patterns with the run's profiles and those that
// scenarios bring themselves. A pattern that matches none of them, and patterns
// that leave a scenario without any, are a *lab.UsageError.
func chooseColumns(patterns []string, profiles []nfs.Profile, selected []scenarios.Scenario) (columns, error) {
	known := slices.Clone(profiles)
	needed := false
	for _, s := range selected {
		needed = needed || s.Profiles == nil && !s.OneProfile
		for _, own := range s.Profiles {
			if !slices.ContainsFunc(known, func(p nfs.Profile) bool { return p.Name == own.Name }) {
				known = append(known, own)
			}
		}
	}
	matched, err := selectProfiles(patterns, known)
	if err != nil {
		return columns{}, err
	}
	c := columns{matched: matched}
	c.chosen = c.among(profiles)
	if len(c.chosen) > 0 {
		return c, nil
	}
	if needed {
		return columns{}, &lab.UsageError{What: "the profiles asked for are columns of family share-server alone", Advice: "see `nfsim list profiles` for those of the other families"}
	}
	// Those that are left need one profile, whichever.
	c.chosen = profiles[:min(1, len(profiles))]
	return c, nil
}

// among keeps the profiles that the patterns match.
func (c columns) among(list []nfs.Profile) []nfs.Profile {
	return slices.DeleteFunc(slices.Clone(list), func(p nfs.Profile) bool {
		return !slices.ContainsFunc(c.matched, func(m nfs.Profile) bool { return m.Name == p.Name })
	})
}

// of are the profiles that a scenario is executed for. One with columns of its own
// has those of them that the patterns match, or all of them when none is: the
// patterns are then meant for others. For one that does not depend on the profile
// it is the first that needs no batch apart.
func (c columns) of(s scenarios.Scenario) []nfs.Profile {
	list := c.chosen
	if s.Profiles != nil {
		if list = c.among(s.Profiles); len(list) == 0 {
			list = s.Profiles
		}
	}
	if !s.OneProfile {
		return list
	}
	return []nfs.Profile{firstAtHome(list)}
}
