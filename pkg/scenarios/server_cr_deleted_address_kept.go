package scenarios

import (
	"context"
	"time"
)

func serverCRDeletedAddressKept() Scenario {
	return Scenario{
		Name: "server-cr-deleted-address-kept", Family: FamilyShare, Profiles: shareProfiles(), Target: true, Quiet: true, Estimate: 140 * time.Second,
		Doc:     "as server-cr-deleted, but the address is pinned: the server comes back where it was, with its data, and knows nothing of who had what open or locked",
		Decides: "do clients go on, after how many s, and what becomes of the lock that one of them holds",
		Drive:   driveServerCRDeletedAddressKept,
		Judge:   judgeServerCRDeletedAddressKept,
	}
}

func driveServerCRDeletedAddressKept(ctx context.Context, b *Batch) error {
	return b.withShares(ctx, func(ctx context.Context, s *shares) error {
		return s.lose(ctx, loss{mode: modeRecreated, rivals: true, do: s.recreate(true)})
	})
}

func judgeServerCRDeletedAddressKept(e *Evidence) Judgement {
	m, ok := judgeInterruption(e, modeRecreated, e.Run.GraceS, judgeServerReplaced)
	if !ok {
		m = judgeDead(e, modeRecreated) // it says what is missing
	}
	m = withLarge(e, m)
	return Judgement{Outcomes: append(m.Outcomes, judgeLedger(e)...), Models: m.Models, Notes: m.Notes}
}
