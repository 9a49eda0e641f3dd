package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// closeToOpenRounds is how often each side writes.
const closeToOpenRounds = 12

// staleDeadline bounds how long a round waits for a stale open to become
// fresh. It is past acregmax (60 s), so that what is still stale then is
// stale for good.
const staleDeadline = 70 * time.Second

func closeToOpen() Scenario {
	return Scenario{
		Name: "close-to-open", Family: FamilyNFS, Estimate: 40 * time.Second,
		Doc:     "A writes, closes; B opens and reads, in a loop, both directions",
		Decides: "does every open see the last close; how long until it does",
		Drive:   driveCloseToOpen,
		Judge:   judgeCloseToOpen,
	}
}

func driveCloseToOpen(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "write, close, open, read, both ways", func(ctx context.Context, c *Cell) error {
			const file = "register"
			sides := []*vantage{b.on(b.Target), b.on(b.Other)}
			for round := 1; round <= closeToOpenRounds; round++ {
				for i, writer := range sides {
					reader := sides[1-i]
					token := fmt.Sprintf("%c%d", 'a'+i, round)
					err := c.writeRegister(ctx, writer, c.mountPoint()+"/"+file, file, token, proto.WRONLY, proto.CREAT, proto.TRUNC)
					if err != nil {
						return err
					}
					if err := c.readUntil(ctx, reader, c.mountPoint()+"/"+file, file, token); err != nil {
						return err
					}
				}
			}
			return c.registerTruth(ctx, b.on(b.server()), c.Export.Path+"/"+file, file)
		})
	})
}

// readUntil re-opens and reads until the token is seen, or staleDeadline is
// over. Every read is noted; a file that stays stale is a result, no error.
func (c *Cell) readUntil(ctx context.Context, v *vantage, path, file, token string) error {
	until := time.Now().Add(staleDeadline)
	for time.Now().Before(until) {
		got, err := c.readRegister(ctx, v, path, file)
		if err != nil || got == token {
			return err
		}
	}
	return nil
}

func judgeCloseToOpen(e *Evidence) Judgement {
	j := judgeModels(e.Ops, consistency.Linearizable, consistency.CloseToOpen, consistency.BoundedStale,
		consistency.MonotonicReads, consistency.ReadYourWrites, consistency.Untorn, consistency.Durable)
	if want := 2 * closeToOpenRounds; countOK(e.Ops) < 2*want {
		j.Outcomes = append(j.Outcomes, outcome.New(outcome.Inconclusive, "%d operations succeeded, at least %d are wanted", countOK(e.Ops), 2*want))
	}
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	return j
}
