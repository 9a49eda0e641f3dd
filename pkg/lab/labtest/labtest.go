// Package labtest is what every provider's lab must do: the conformance test
// of lab.Lab and of the abilities that a lab may have.
//
//	func TestVMLab(t *testing.T) {
//		l, err := vagrant.Open(ctx, ".")
//		...
//		labtest.Conform(ctx, t, l)
//	}
//
// It needs the lab for itself, and breaks nothing that it does not put right:
// but it resets a machine where it can, and restores the lab where it can.
package labtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

// checkTimeout bounds one check: a machine that boots under TCG, and its
// cluster, are waited for.
const checkTimeout = 8 * time.Minute

// Conform runs every check that applies to the lab, each as a subtest.
func Conform(ctx context.Context, t *testing.T, l lab.Lab) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			if c.Ability != nil && !c.Ability(l) {
				t.Skipf("lab %s of provider %s does not have it", l.Name(), l.Provider())
			}
			ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("not within %s", checkTimeout))
			defer cancel()
			if err := c.Run(ctx, l); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check is one thing that a lab must do.
type Check struct {
	Name string
	// Ability says whether a lab has what is checked; nil: every lab must.
	Ability func(lab.Lab) bool
	// Run returns what is wrong.
	Run func(context.Context, lab.Lab) error
}

// Checks lists them in the order in which they go well together: what resets
// machines comes late, Close last.
func Checks() []Check {
	return []Check{
		{"ready", has[lab.Readiness], awaitReady},
		{"machines", nil, machines},
		{"unknown machine", nil, unknownMachine},
		{"node", nil, nodeReused},
		{"root", nil, root},
		{"own machines", nil, ownMachines},
		{"addresses", nil, addresses},
		{"cluster", nil, clusterNodes},
		{"state directory", nil, stateDir},
		{"one user", nil, oneUser},
		{"console", has[lab.Console], console},
		{"no power says why", has[lab.PowerMissing], powerMissing},
		{"power", has[lab.Power], power},
		{"snapshots", has[lab.Snapshots], snapshots},
		{"close", nil, closeStopsNothing},
	}
}

func has[Ability any](l lab.Lab) bool {
	_, ok := l.(Ability)
	return ok
}
