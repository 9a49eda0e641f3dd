package scenarios

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// modeRecreated is the one way in which server-cr-deleted and
	// server-cr-deleted-address-kept go; what is read out of it is the trial's own.
	modeRecreated = "re-created"
	// patience is by how much clients are watched for longer than lease and grace
	// period together: past the time after which soft mounts give up, 15 s, and a
	// client's pause before it connects again.
	patience = 30 * time.Second
)

func serverCRDeleted() Scenario {
	return Scenario{
		Name: "server-cr-deleted", Family: FamilyShare, Profiles: shareProfiles(), Target: true, Quiet: true, Estimate: 210 * time.Second,
		Doc:     "the resource that an NFS server's pod belongs to is deleted and made anew at once, so that the server comes back with its data, and with another address",
		Decides: "what clients are told, or whether they hang, while the control plane says that all is well",
		Drive:   driveServerCRDeleted,
		Judge:   judgeServerCRDeleted,
	}
}

func driveServerCRDeleted(ctx context.Context, b *Batch) error {
	return b.withShares(ctx, func(ctx context.Context, s *shares) error {
		return s.lose(ctx, loss{mode: modeRecreated, do: s.recreate(false), then: func(ctx context.Context, loads map[*Cell]*load) error {
			if err := s.green(ctx, modeRecreated); err != nil {
				return err
			}
			if err := s.watchDead(ctx, modeRecreated, loads, b.Lease+b.Grace+patience); err != nil {
				return err
			}
			b.nowAll(healBegins, modeRecreated)
			return b.each(ctx, "bring the servers back at their addresses", s.mend)
		}})
	})
}

// recreate deletes the resources and makes them anew at once, with their ports
// pinned or not.
func (s *shares) recreate(pinned bool) func(ctx context.Context, servers map[*Cell]serverProcess) error {
	return func(ctx context.Context, servers map[*Cell]serverProcess) error {
		cells := slices.Collect(maps.Keys(servers))
		return atOnce(len(cells), func(i int) error {
			c := cells[i]
			ctx := withScribe(ctx, c)
			if err := s.deleteShare(ctx, c); err != nil {
				return err
			}
			port := int64(0)
			if pinned {
				port = c.share.made.Status.Port
			}
			_, err := s.api.Create(ctx, c.shareName(), s.spec(c, port))
			return err
		})
	}
}

func judgeServerCRDeleted(e *Evidence) Judgement {
	m := judgeDead(e, modeRecreated)
	if green, ok := e.First(eventPlaneGreen, modeRecreated); ok {
		if f, ok := e.fault(modeRecreated); ok {
			m.Notes = append(m.Notes, "the control plane was green "+seconds(green.T-f.InjectedAt)+" after the fault, at "+green.Detail)
		}
	}
	return Judgement{Outcomes: append(m.Outcomes, judgeLedger(e)...), Models: m.Models, Notes: m.Notes}
}
