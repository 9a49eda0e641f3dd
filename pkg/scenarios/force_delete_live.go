package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// The modes of force-delete-live.
const (
	modeForce         = "force"               // grace 0 at once
	modeGracefulForce = "graceful-then-force" // the pod's own grace first, grace 0 when its process was told
)

// eventTold is the pod's process being sent SIGTERM, which it ignores: the kubelet
// has begun to end the container with the grace period that it knew by then.
const eventTold = "process-told"

// toldLine is what cmd/nfsim-agent says in its log when it ignores SIGTERM.
const toldLine = "SIGTERM ignored"

// podLogs is where a kubelet has the logs of containers, by pod.
const podLogs = "/var/log/pods"

// toldEvery is the pause between two looks at such a log.
const toldEvery = 200 * time.Millisecond

// longGrace is the grace period of a pod that ignores SIGTERM.
const longGrace = 60 * time.Second

func forceDeleteLive() Scenario {
	return Scenario{
		Name: "force-delete-live", Family: FamilyKubelet, Target: true, Cells: 2, Estimate: 200 * time.Second,
		Doc:     "a pod that ignores SIGTERM and has a grace period of 60 s is force-deleted with the kubelet alive; at once, or after a graceful delete",
		Decides: "the zombie clock when nothing is broken at all: how long the container of a pod that is gone from the API writes on",
		Modes:   []string{modeForce, modeGracefulForce},
		Drive:   driveForceDeleteLive,
		Judge:   judgeForceDeleteLive,
	}
}

func driveForceDeleteLive(ctx context.Context, b *Batch) error {
	plan := podsPlan{}
	for _, mode := range forceDeleteLive().Modes {
		plan.pods = append(plan.pods, podPlan{label: mode, file: mode, grace: longGrace, ignoreTerm: true})
	}
	return b.withPodsOf(ctx, plan, func(ctx context.Context, k *kube.Client) error {
		return b.each(ctx, "force delete with the kubelet alive", func(ctx context.Context, c *Cell) error {
			return atOnce(len(c.workloads), func(i int) error {
				w := c.workloads[i]
				end := b.watchEnd(ctx, w)
				if err := b.moreAppends(ctx, w, calmRecords); err != nil {
					return err
				}
				if w.plan.label == modeGracefulForce {
					if err := b.deletePod(ctx, k, w, nil); err != nil {
						return err
					}
					if err := b.awaitTold(ctx, w); err != nil {
						return err
					}
					if err := b.moreAppends(ctx, w, calmRecords); err != nil {
						return err
					}
				}
				if err := b.forceDelete(ctx, k, w); err != nil {
					return err
				}
				if _, err := end.await(ctx, longGrace+endTimeout); err != nil {
					return err
				}
				return b.lastTruth(ctx, w)
			})
		})
	})
}

// awaitTold waits until the pod's process has said that it was sent SIGTERM, and
// notes when that was seen, in its log on the node.
func (b *Batch) awaitTold(ctx context.Context, w *workload) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, endTimeout, fmt.Errorf("the process of pod %s was not sent SIGTERM within %s of its delete", w.name(), endTimeout))
	defer cancel()
	defer waiting(ctx)()
	end := awaiting(ctx, eventTold, w.at.Name, w.name())
	defer func() { end(err) }()
	log := fmt.Sprintf("%s/%s_%s_%s/%s/0.log", podLogs, b.namespace(), w.name(), w.pod.UID, w.pod.Spec.Containers[0].Name)
	for {
		t, err := b.on(w.at).client.DoTimed(ctx, proto.Request{Op: proto.OpReadFile, Path: log, Limit: 64 << 10})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if bytes.Contains(t.Data, []byte(toldLine)) {
			w.cell.now("node", eventTold, w.subject(), log)
			return nil
		}
		if mono.Sleep(ctx, toldEvery) != nil {
			return context.Cause(ctx)
		}
	}
}

func judgeForceDeleteLive(e *Evidence) Judgement {
	var j Judgement
	for _, name := range forceDeleteLive().Modes {
		j.Modes = append(j.Modes, judgeForceDeleteLiveMode(e, name))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

func judgeForceDeleteLiveMode(e *Evidence, name string) Mode {
	invoked, ok := number(e.Trial.Facts[factDeleteInvoke+name])
	end := podEnd{label: name, client: name, since: invoked, what: "the force delete", limit: longGrace + endTimeout}
	outcomes, notes, gone := end.outcomes(e)
	if !ok || !gone {
		return Mode{Name: name, Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not seen to leave the API").In("observations.jsonl")}}
	}
	if n := ackedUntil(funcOps(opsOf(e.Ops, name), history.Append), invoked); n < calmRecords {
		return Mode{Name: name, Outcomes: []outcome.Outcome{outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the delete, %d are wanted", n, calmRecords).In("history.jsonl")}}
	}
	if told, ok := e.First(eventTold, name); name == modeGracefulForce && (!ok || told.T > invoked) {
		return Mode{Name: name, Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the process was not told to end before the force delete, so that there was none after a graceful one").In("observations.jsonl")}}
	}
	m := judgeMode(e, name, consistency.AppendLog)
	m.Outcomes = append(m.Outcomes, outcomes...)
	m.Notes, m.Figures = notes, end.figures(e)
	return m
}
