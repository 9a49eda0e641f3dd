package scenarios

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

const (
	// zombieFirst is the number of the planted writer's first record: far from
	// those of the pod itself.
	zombieFirst = 1_000_000
	// zombieRecords is how many records it writes.
	zombieRecords = 10
)

// ByZombieClock is the detector of writers that outlive their pod.
func ByZombieClock(e *Evidence) Judgement {
	gone, ok := e.First(eventAPIGone, "")
	if !ok {
		return Judgement{}
	}
	return Judgement{Outcomes: []outcome.Outcome{zombie(e, "", "", gone.T)}}
}

// ControlZombieWriter is the control of the zombie clock.
func ControlZombieWriter(detector Detector) Scenario {
	return Scenario{
		Name: "control-zombie-writer", Family: FamilyKubelet, Control: true, OneProfile: true, Target: true, Estimate: 60 * time.Second,
		Doc:     "planted: a process outside the pod goes on writing to its volume, in its name, when the pod is deleted and gone",
		Decides: "whether the zombie clock would notice",
		Drive:   driveZombieWriter,
		Judge:   plant{proven: zombieWrote, caught: sawZombie}.judgeWith(detector),
	}
}

func driveZombieWriter(ctx context.Context, b *Batch) error {
	return b.withPods(ctx, func(ctx context.Context, k *kube.Client) error {
		return b.each(ctx, "write on after the pod's end", func(ctx context.Context, c *Cell) error {
			ctx, cancel := context.WithTimeout(ctx, podTimeout)
			defer cancel()
			if err := b.deleteGracefully(ctx, k, c); err != nil {
				return err
			}
			other := b.on(b.Other)
			f, err := c.append(ctx, other.client, other.machine, podAppends, logFile, proto.StreamSpec{
				Path: c.mountPoint() + "/" + logFile, Client: podAppends, Sync: "fsync", NoCreate: true,
				StartSeq: zombieFirst, MaxRecords: zombieRecords, OnError: "stop",
			})
			if err != nil {
				return err
			}
			defer waiting(ctx)()
			const last = zombieFirst + zombieRecords - 1
			if err := f.awaitSeq(ctx, "the planted writer", last); err != nil {
				return err
			}
			if err := c.workload.arrivals.awaitSeq(ctx, "arrivals at the server", last); err != nil {
				return err
			}
			if _, err := c.workload.arrivals.stop(ctx); err != nil {
				return fmt.Errorf("stop the server's look at arrivals: %w", err)
			}
			return b.podTruth(ctx, c.workload)
		})
	})
}

// deleteGracefully deletes the pod as a user does, and notes when the API
// server had forgotten it: after the container's end.
func (b *Batch) deleteGracefully(ctx context.Context, k *kube.Client, c *Cell) error {
	if err := b.deletePod(ctx, k, c.workload, nil); err != nil {
		return err
	}
	defer waiting(ctx)()
	return b.noteAPIGone(ctx, k, c.workload)
}

// zombieWrote wants the planted writer's records, acknowledged, after the end
// of the pod.
func zombieWrote(e *Evidence) string {
	gone, ok := e.First(eventAPIGone, "")
	if !ok {
		return "the pod was not seen to leave the API"
	}
	if n := ackedAfter(e.Ops, podAppends, gone.T); n != zombieRecords {
		return fmt.Sprintf("%d records were acknowledged to the planted writer, %d are wanted", n, zombieRecords)
	}
	return ""
}

// sawZombie wants the planted records, all of them and no others, to be what
// arrived after the pod's end, and the clock to have stopped at the last.
func sawZombie(e *Evidence, seen Judgement) bool {
	gone, _ := e.First(eventAPIGone, "")
	arrived := 0
	var last int64
	for _, o := range e.Observations {
		if o.Event != recordArrived || o.T <= gone.T {
			continue
		}
		if n, err := strconv.ParseInt(o.Value, 10, 64); err != nil || n < zombieFirst {
			return false
		}
		arrived++
		last = max(last, o.T)
	}
	if arrived != zombieRecords || len(seen.Outcomes) != 1 {
		return false
	}
	o := seen.Outcomes[0]
	return o.Word == outcome.ZombieWriter && o.Figure != nil && o.Figure.Value == float64(last-gone.T)/1e9
}
