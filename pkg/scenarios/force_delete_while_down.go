package scenarios

import (
	"context"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// The moments of force-delete-while-down, as observations.
const (
	eventAPIGone       = "api-gone"       // the API server has forgotten the pod
	eventHostUnmounted = "host-unmounted" // the volume left the host's mount table
	eventWriterDead    = "writer-dead"    // the container's process has ended
	eventPodDirGone    = "poddir-gone"    // the kubelet removed the pod's directory
	// eventContainerTable is what the container's own mount table shows right
	// after the volume left the host's.
	eventContainerTable = "container-table"
)

// zombieTimeout is how long a kubelet that is back gets to end a container
// whose pod is no more.
const zombieTimeout = 3 * time.Minute

func forceDeleteWhileDown() Scenario {
	return Scenario{
		Name: "force-delete-while-down", Family: FamilyKubelet, Target: true, Estimate: 180 * time.Second,
		Doc:     "the pod is force-deleted (grace 0) while the kubelet is down, then the kubelet starts",
		Decides: "the zombie clock, and whether the mount left the host before the writer died",
		Drive:   driveForceDelete,
		Judge:   judgeForceDelete,
	}
}

func driveForceDelete(ctx context.Context, b *Batch) error {
	return b.withPods(ctx, func(ctx context.Context, k *kube.Client) error {
		ends := map[*Cell][]<-chan error{}
		for _, c := range b.live() {
			ends[c] = b.watchEnd(ctx, c)
		}
		heal, err := b.inject(ctx, fault.KubeletStop(b.Target.Name, b.Target.Kubelet()))
		if err != nil {
			return err
		}
		defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		err = b.each(ctx, "force delete with the kubelet down", func(ctx context.Context, c *Cell) error {
			if err := b.moreAppends(ctx, c, calmRecords); err != nil {
				return err
			}
			if err := b.forceDelete(ctx, k, c); err != nil {
				return err
			}
			if err := b.moreAppends(ctx, c, 2*calmRecords); err != nil {
				return fmt.Errorf("after the force delete: %w", err)
			}
			host, container, err := b.mountsKept(ctx, c)
			c.Trial.SetFact("mount_host_while_down", host)
			c.Trial.SetFact("mount_container_while_down", container)
			return err
		})
		if err != nil {
			return err
		}
		if err := heal(ctx); err != nil {
			return err
		}
		if err := b.awaitKubelet(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await the end of writer and mount", func(ctx context.Context, c *Cell) error {
			if err := b.awaitEnd(ctx, c, ends[c]); err != nil {
				return err
			}
			if _, err := c.workload.arrivals.stop(ctx); err != nil {
				return fmt.Errorf("stop the server's look at arrivals: %w", err)
			}
			if err := b.podTruth(ctx, c); err != nil {
				return err
			}
			c.noteUnanswered(podAppends, logFile)
			return nil
		})
	})
}

// watchEnd watches for the three ends of a pod on its node. The watches are
// in place before anything is broken.
func (b *Batch) watchEnd(ctx context.Context, c *Cell) []<-chan error {
	w := c.workload
	return []<-chan error{
		b.watchGone(ctx, c, eventHostUnmounted, proto.StreamSpec{Kind: proto.Mounts, Path: w.hostMount}),
		b.watchGone(ctx, c, eventWriterDead, proto.StreamSpec{Kind: proto.Process, PID: w.pid}),
		b.watchGone(ctx, c, eventPodDirGone, proto.StreamSpec{
			Kind: proto.Poller, Mode: proto.PollLookup, Path: w.podDir(), Decode: "none",
			IntervalUS: 20_000, ChangesOnly: true,
		}),
	}
}

// awaitEnd waits for all of the ends, as long as zombieTimeout. An end that
// does not come is for the judge to see, no error. When the volume has left the
// host's mount table, the container's own is looked at.
func (b *Batch) awaitEnd(ctx context.Context, c *Cell, ends []<-chan error) error {
	defer waiting(ctx)()
	timeout := time.NewTimer(zombieTimeout)
	defer timeout.Stop()
	for i, end := range ends {
		select {
		case err := <-end:
			if err != nil {
				return err
			}
			if i == 0 {
				_, kept, err := b.mountsKept(ctx, c)
				if err != nil {
					return err
				}
				c.now("node", eventContainerTable, c.Key, mountedOrNot(kept))
			}
		case <-timeout.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func mountedOrNot(kept bool) string {
	if kept {
		return "still mounted"
	}
	return "not mounted"
}

// forceDelete deletes the pod with grace 0 and notes when the API server had
// forgotten it.
func (b *Batch) forceDelete(ctx context.Context, k *kube.Client, c *Cell) error {
	now := int64(0)
	span, err := k.DeletePod(ctx, b.namespace(), c.Key, &now)
	if err != nil {
		return err
	}
	c.Trial.SetFact("delete_invoke_ns", span.Invoke)
	c.Trial.SetFact("delete_return_ns", span.Return)
	defer waiting(ctx)()
	if _, err := k.AwaitPodGone(ctx, b.namespace(), c.Key, c.workload.pod.UID); err != nil {
		return err
	}
	c.now("api", eventAPIGone, c.Key, "")
	return nil
}

// ignoreNotFound takes an object that is not there for deleted.
func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func judgeForceDelete(e *Evidence) Judgement {
	if o, ok := judgeFault(e, "kubelet-stop", history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	apiGone, ok := e.First(eventAPIGone, "")
	if !ok {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not seen to leave the API").In("observations.jsonl")}}
	}
	j := judgeModels(e.Ops, consistency.AppendLog)
	j.Outcomes = append(j.Outcomes, zombie(e, apiGone.T))
	dead, hasDead := e.First(eventWriterDead, "")
	if !hasDead {
		j.Outcomes = append(j.Outcomes, outcome.New(outcome.Leaked, "the container was still there %s after the kubelet was back", zombieTimeout).From("node").In("observations.jsonl"))
	}
	unmounted, hasUnmounted := e.First(eventHostUnmounted, "")
	switch {
	case hasUnmounted && (!hasDead || unmounted.T < dead.T):
		early := "the container did not end"
		if hasDead {
			early = fmt.Sprintf("%s before the writer ended", seconds(dead.T-unmounted.T))
		}
		if o, ok := e.First(eventContainerTable, ""); ok {
			early += "; in the container's own table it was then " + o.Detail
		}
		j.Outcomes = append(j.Outcomes, outcome.New(outcome.UnmountedUnderPod, "the volume left the host's mount table %s", early).From("node").In("observations.jsonl"))
	case hasUnmounted:
		j.note("the volume left the host's mount table %s after the writer ended", seconds(unmounted.T-dead.T))
	}
	f, _ := e.fault("kubelet-stop")
	for _, event := range []string{"kubelet-healthy", eventHostUnmounted, eventWriterDead, eventPodDirGone} {
		if o, ok := e.First(event, ""); ok {
			j.note("%s %s after the kubelet was started again", event, seconds(o.T-f.HealedAt))
		}
	}
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	return j
}

// zombie is the zombie clock: from the moment the API object was gone to the
// last byte that reached the server.
func zombie(e *Evidence, apiGone int64) outcome.Outcome {
	var last int64
	before, after := 0, 0
	for _, o := range e.Observations {
		switch {
		case o.Event != recordArrived:
		case o.T > apiGone+e.Trial.ClockErrNS:
			last = max(last, o.T)
			after++
		default:
			before++
		}
	}
	if acked := ackedAfter(e.Ops, apiGone); before == 0 || after == 0 && acked > 0 {
		return outcome.New(outcome.Inconclusive, "%d records were seen to arrive before the API had forgotten the pod and %d after, when %d were acknowledged after", before, after, acked).
			In("observations.jsonl", "history.jsonl")
	}
	if after == 0 {
		return outcome.New(outcome.Exclusive, "no record reached the server after the API had forgotten the pod").From("api", "disk").In("observations.jsonl")
	}
	figure := outcome.Seconds(float64(last-apiGone)/1e9, float64(e.Trial.ClockErrNS)/1e9)
	text := fmt.Sprintf("%d records reached the server after the API had forgotten the pod, the last %s after", after, seconds(last-apiGone))
	if invoked, ok := number(e.Trial.Facts["delete_invoke_ns"]); ok {
		text += fmt.Sprintf(" (%s after the delete was asked for)", seconds(last-invoked))
	}
	return outcome.New(outcome.ZombieWriter, "%s", text).WithFigure(figure).From("api", "disk").In("observations.jsonl")
}

// ackedAfter counts the pod's appends that surely began after t and were
// acknowledged.
func ackedAfter(ops []history.Op, t int64) int {
	n := 0
	for i := range ops {
		op := &ops[i]
		if begin, _ := op.Wide(); op.Client == podAppends && op.Func == history.Append && op.Result == history.OK && begin > t {
			n++
		}
	}
	return n
}

// number reads a fact that was a whole number before it went through JSON.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), true
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil
	}
	return 0, false
}
