package rundir

import (
	"maps"
	"slices"
)

// Ledger is what exists at one moment: category -> sorted entries.
type Ledger map[string][]string

// Categories of a ledger.
const (
	MountsHost      = "mounts.host"      // mounts in a host's mount namespace
	MountsContainer = "mounts.container" // mounts in the mount namespaces of containers, and of other processes that have one of their own
	PodDirs         = "poddirs"          // directories of pods below the kubelet's
	Containers      = "containers"
	Pods            = "pods"
	PVs             = "pvs"
	PVCs            = "pvcs"
	Exports         = "exports"
	ShareDirs       = "sharedirs"    // directories of share servers
	ShareServers    = "shareservers" // resources of that name
	Definitions     = "definitions"  // of resources that nfsim made
	NFT             = "nft"          // firewall rules
	Units           = "units"        // systemd units that nfsim made
	DState          = "dstate"       // tasks in uninterruptible sleep
)

// Change is what differs in one category of two ledgers.
type Change struct {
	Category string   `json:"category"`
	Added    []string `json:"added,omitempty"`
	Removed  []string `json:"removed,omitempty"`
}

// Diff returns what was added and removed per category, sorted by category,
// without categories that did not change. Entries count as often as they
// stand there: two equal mounts of which one is left are a change.
func Diff(before, after Ledger) []Change {
	categories := make(map[string]bool)
	for c := range before {
		categories[c] = true
	}
	for c := range after {
		categories[c] = true
	}
	var changes []Change
	for _, c := range slices.Sorted(maps.Keys(categories)) {
		added, removed := minus(after[c], before[c]), minus(before[c], after[c])
		if len(added)+len(removed) > 0 {
			changes = append(changes, Change{Category: c, Added: added, Removed: removed})
		}
	}
	return changes
}

// minus returns the entries of a that are not in b, sorted, counted.
func minus(a, b []string) []string {
	count := make(map[string]int, len(b))
	for _, s := range b {
		count[s]++
	}
	var rest []string
	for _, s := range slices.Sorted(slices.Values(a)) {
		if count[s] > 0 {
			count[s]--
			continue
		}
		rest = append(rest, s)
	}
	return rest
}
