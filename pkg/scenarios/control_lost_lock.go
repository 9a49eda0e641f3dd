package scenarios

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// ControlLostLock is the control of the check for mutual exclusion: on mounts
// whose locks never leave the client, both clients are given the same lock.
func ControlLostLock(detector Detector) Scenario {
	return Scenario{
		Name: "control-lost-lock", Family: FamilyNFS, Control: true, OneProfile: true, Estimate: 10 * time.Second,
		Doc:     "planted: two clients hold one lock at once, on mounts of the control's own that keep locks to themselves (nolock)",
		Decides: "whether the check for mutual exclusion would notice",
		Drive:   driveLostLock,
		Judge:   plant{proven: grantedOption("local_lock", "all"), caught: sawTwoHolders}.judgeWith(detector),
	}
}

const plantedLock = "lock" // the file

func driveLostLock(ctx context.Context, b *Batch) error {
	b.mountPlanted("vers=3,nolock")
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "both sides take one lock", func(ctx context.Context, c *Cell) error {
			ctx, cancel := context.WithTimeout(ctx, controlTimeout)
			defer cancel()
			// Neither gives back what it has before the other has it too.
			var both sync.WaitGroup
			both.Add(len(b.sides()))
			return b.contend(ctx, c, plantedLock, "posix", []proto.Flag{proto.RDWR, proto.CREAT}, func(ctx context.Context, h *holder) error {
				err := h.wait(ctx)
				both.Done()
				both.Wait()
				if err != nil {
					return err
				}
				_, err = h.release(ctx)
				return err
			})
		})
	})
}

// grantedOption asks for a mount option that the kernel must have granted.
func grantedOption(name, value string) func(e *Evidence) string {
	return func(e *Evidence) string {
		if have, ok := e.Trial.Granted[name]; !ok || have != value {
			return fmt.Sprintf("the planted mount has %s %q, not %q", name, have, value)
		}
		return ""
	}
}

// sawTwoHolders wants the two locks that were planted as the witness.
func sawTwoHolders(_ *Evidence, seen Judgement) bool {
	two := false
	for _, o := range seen.Outcomes {
		two = two || o.Word == outcome.TwoWriters
	}
	for _, r := range seen.Models {
		if w := r.Witness; two && len(w) == 2 {
			return w[0].Func == history.Lock && w[1].Func == history.Lock && w[0].Client != w[1].Client
		}
	}
	return false
}
