package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// batchesOf cuts one repeat of a scenario into batches: profiles that want
// other settings of the server or other connections than the rest cannot be
// beside them, and no batch has more cells than the scenario bears. What a
// quick run leaves out is a batch that is not executed: its cells are in the
// matrix with the reason.
func batchesOf(s scenarios.Scenario, profiles []nfs.Profile, repeat int, full bool) []Batch {
	type shared struct {
		server        nfs.ServerSetting
		connections   string
		notApplicable string
	}
	groups := map[shared][]nfs.Profile{}
	var order []shared
	for _, p := range profiles {
		key := shared{server: p.Server, connections: p.Connections()}
		if reason := leftOut(s, p, full); reason != "" {
			key = shared{notApplicable: reason}
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], p)
	}
	most := s.Cells
	if s.Shapes && full {
		most = shapedCells
	}
	var out []Batch
	for _, key := range order {
		for _, part := range parts(groups[key], most) {
			out = append(out, Batch{
				Scenario: s, Profiles: part, Repeat: repeat, Server: key.server, NotApplicable: key.notApplicable,
				Alone: s.Quiet || !key.server.IsZero() || key.connections != "",
			})
		}
	}
	for i := range out {
		out[i].ID = fmt.Sprintf("%s-%d", s.Name, repeat)
		if len(out) > 1 {
			out[i].ID += letters(i)
		}
	}
	return out
}

// shapedCells is the most cells with a pod for each shape of volume that one
// batch can bear: half a dozen pods each, on an emulated machine.
const shapedCells = 2

// leftOut says why a quick run does not execute a scenario with a profile, ""
// when it does. A profile that needs a batch of its own is worth the time only
// where it can matter; one of the user's own was asked for.
func leftOut(s scenarios.Scenario, p nfs.Profile, full bool) string {
	if full || p.Added {
		return ""
	}
	var idle []string
	for _, a := range p.Aspects() {
		if slices.Contains(s.Apart, a) {
			return ""
		}
		idle = append(idle, string(a))
	}
	if len(idle) == 0 {
		return ""
	}
	return fmt.Sprintf("left out of a quick run: profiles of other %s need a batch of their own, and nothing says that it matters here (nfsim run --full has this cell)", strings.Join(idle, " and "))
}

// parts cuts profiles into as few parts as most allows, of about one size. Most
// 0 is no limit.
func parts(profiles []nfs.Profile, most int) [][]nfs.Profile {
	n := 1
	if most > 0 {
		n = (len(profiles) + most - 1) / most
	}
	var out [][]nfs.Profile
	for i := range n {
		out = append(out, profiles[i*len(profiles)/n:(i+1)*len(profiles)/n])
	}
	return out
}

// letters numbers from 0: a, b, ... z, aa, ab...
func letters(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return letters(i/26-1) + letters(i%26)
}
