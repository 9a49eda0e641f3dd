package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// The modes of dead-server-restart: what is looked at.
const (
	modeStart  = "start"  // does the kubelet come up, and does it work
	modeWriter = "writer" // what the pod on the dead mount was told
)

const (
	// faultServerDark is the server's silence, seen from the worker.
	faultServerDark = "server-dark"
	// aliveWithin is how long a kubelet that was started gets for each sign of
	// life: an emulated machine takes 10 to 20 s for all of them.
	aliveWithin = 75 * time.Second
	// eventBystander is the start of a pod that has no volume: the kubelet works.
	eventBystander = "bystander-running"
)

func deadServerRestart() Scenario {
	return Scenario{
		Name: "dead-server-restart", Family: FamilyKubelet, Target: true, Quiet: true, Cells: 3, Estimate: 180 * time.Second,
		Doc:     "the NFS server goes dark for a worker (its packets are dropped), the kubelet there restarts, the server comes back",
		Decides: "does a kubelet come up and start a pod beside a dead mount, after how many s; what recovers by itself when the server is back",
		Modes:   []string{modeStart, modeWriter},
		Drive:   driveDeadServerRestart,
		Judge:   judgeDeadServerRestart,
	}
}

func driveDeadServerRestart(ctx context.Context, b *Batch) error {
	peer, err := netip.ParseAddr(b.server().Addr)
	if err != nil {
		return fmt.Errorf("address of %s: %w", b.server().Name, err)
	}
	dark := fault.Partition(b.Target.Name, fault.Cut{Peer: peer, Mode: fault.Drop})
	dark.Name = faultServerDark
	return b.withPods(ctx, func(ctx context.Context, k *kube.Client) (err error) {
		b.nowAll(injectBegins, faultServerDark)
		bringBack, err := b.inject(ctx, dark)
		if err != nil {
			return err
		}
		defer func() { _ = bringBack(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		start, err := b.inject(ctx, fault.KubeletStop(b.Target.Name, b.Target.Kubelet()))
		if err != nil {
			return err
		}
		defer func() { _ = start(context.WithoutCancel(ctx)) }() // likewise
		started := time.Now()
		if err := start(ctx); err != nil {
			return err
		}
		by := &bystander{name: b.Cells[0].Key + "-bystander"}
		defer func() { err = errors.Join(err, by.remove(context.WithoutCancel(ctx), b, k)) }()
		alive, err := b.kubeletAlive(ctx, k, by, started)
		if err != nil {
			return err
		}
		if err := b.noteBlocked(ctx, b.Target); err != nil {
			return err
		}
		b.nowAll(healBegins, faultServerDark)
		if err := bringBack(ctx); err != nil {
			return err
		}
		if !alive {
			if _, err := b.kubeletAlive(ctx, k, by, started); err != nil {
				return err
			}
		}
		return b.each(ctx, "with the server back", func(ctx context.Context, c *Cell) error {
			if err := goOn(ctx, c.workload.appends); err != nil {
				return err
			}
			if err := b.notePod(ctx, k, c.workload, ""); err != nil {
				return err
			}
			return b.endAppending(ctx, c.workload)
		})
	})
}

// kubeletAlive waits for the signs that a kubelet lives and works, each at most
// as long as aliveWithin: /healthz on the node, fresh news of it in the API, and
// a pod that it starts. What does not come is a result, with what the kubelet
// says of its own loop.
func (b *Batch) kubeletAlive(ctx context.Context, k *kube.Client, by *bystander, started time.Time) (alive bool, err error) {
	b.Phase("await a kubelet that works")
	healthy, last, err := b.kubeletHealthy(ctx, aliveWithin)
	if err != nil {
		return false, err
	}
	if !healthy {
		b.nowAllDetail("node", "kubelet-unhealthy", b.Target.Name, last)
		return false, nil
	}
	for _, sign := range []struct {
		event string
		await func(ctx context.Context) error
	}{
		{eventNodeReady, func(ctx context.Context) error { return k.AwaitNodesReady(ctx, []string{b.Target.Name}, started) }},
		{eventBystander, func(ctx context.Context) error { return by.start(ctx, b, k) }},
	} {
		came, why, err := within(ctx, aliveWithin, sign.await)
		if err != nil {
			return false, err
		}
		if !came {
			b.nowAllDetail("api", "no-"+sign.event, b.Target.Name, why)
			b.noteSyncLoop(ctx, k)
			return false, nil
		}
		b.nowAllFrom("api", sign.event, b.Target.Name)
	}
	b.noteSyncLoop(ctx, k)
	return true, nil
}

// within calls await with a limit. That the limit passed is a result, with what
// await said of it.
func within(ctx context.Context, limit time.Duration, await func(ctx context.Context) error) (came bool, why string, err error) {
	defer waiting(ctx)()
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = await(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return false, err.Error(), nil
	}
	return err == nil, "", err
}

// noteSyncLoop notes what the kubelet on Target says of its own loop.
func (b *Batch) noteSyncLoop(ctx context.Context, k *kube.Client) {
	defer waiting(ctx)()
	said := "ok"
	if err := k.KubeletCheck(ctx, b.Target.Name, "syncloop"); err != nil {
		said = err.Error()
	}
	b.nowAllDetail("api", "syncloop", b.Target.Name, said)
}

// nowAllDetail notes in every cell that a vantage point saw something now.
func (b *Batch) nowAllDetail(source, event, subject, detail string) {
	for _, c := range b.Cells {
		c.now(source, event, subject, detail)
	}
}

func judgeDeadServerRestart(e *Evidence) Judgement {
	var j Judgement
	o, no, ok := outageOf(e, faultServerDark)
	stop, found := e.fault(faultKubeletStop)
	if ok && (!found || !stop.Proven || stop.HealedAt < o.proven || stop.HealedAt > o.healing) {
		no, ok = outcome.New(outcome.NoFault, "the kubelet was not restarted while the server was dark: %s", stop.Error).In("faults.jsonl"), false
	}
	appends := funcOps(opsOf(e.Ops, logFile), history.Append)
	if ok {
		no, ok = judgeCutOff(e, faultServerDark, appends, o)
	}
	if !ok {
		return Judgement{Outcomes: []outcome.Outcome{no}}
	}
	j.Modes = append(j.Modes, judgeKubeletAlive(e, o, stop.HealedAt))
	writer := judgeModels(e.Ops, consistency.AppendLog)
	c := continuity{what: "append", ops: appends, outage: o, options: e.Trial.Granted}
	m := Mode{Name: modeWriter, Models: writer.Models, Outcomes: append(writer.Outcomes, c.outcomes()...), Notes: c.notes()}
	m.Outcomes = append(m.Outcomes, judgeKept(e, ""))
	if note := blockedNote(e); note != "" {
		m.Notes = append(m.Notes, note)
	}
	j.Modes = append(j.Modes, m)
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeKubeletAlive says when the kubelet that was started at a time gave its
// signs of life: while the server was dark, after it, or never.
func judgeKubeletAlive(e *Evidence, o outage, started int64) Mode {
	m := Mode{Name: modeStart}
	var late, never []string
	var last int64
	for _, event := range []string{eventKubeletHealthy, eventNodeReady, eventBystander} {
		sign, ok := e.after(event, started)
		switch {
		case !ok:
			never = append(never, event)
			continue
		case sign.T > o.healing:
			late = append(late, event)
		}
		last = max(last, sign.T)
		m.Notes = append(m.Notes, fmt.Sprintf("%s %s after the kubelet was started again, the server being dark for %s of it", event, seconds(sign.T-started), seconds(min(sign.T, o.healing)-started)))
	}
	var out outcome.Outcome
	switch {
	case len(never) > 0:
		out = outcome.New(outcome.KubeletWedged, "no %s, also with the server back for %s", strings.Join(never, ", no "), aliveWithin)
	case len(late) > 0:
		out = outcome.New(outcome.Recovered, "%s only when the server was back, %s after the kubelet was started", strings.Join(late, ", "), seconds(last-started)).
			WithFigure(outcome.Seconds(float64(last-started)/1e9, 0))
	default:
		out = outcome.New(outcome.Uninterrupted, "healthy, Ready and starting a pod %s after it was started, while the server was dark", seconds(last-started))
	}
	m.Outcomes = []outcome.Outcome{out.From("node", "api").In("observations.jsonl")}
	for _, event := range []string{"kubelet-unhealthy", "no-" + eventNodeReady, "no-" + eventBystander, "syncloop"} {
		if said, ok := e.First(event, ""); ok {
			m.Notes = append(m.Notes, fmt.Sprintf("%s: %s", event, said.Detail))
		}
	}
	return m
}
