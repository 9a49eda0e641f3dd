package scenarios

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// toleratedGap is the longest pause between two acknowledgements that still
// counts as uninterrupted: well above what a busy emulated machine shows with
// no fault at all, well below every NFS timer.
const toleratedGap = 5 * time.Second

func kubeletRestart() Scenario {
	return Scenario{
		Name: "kubelet-restart", Family: FamilyKubelet, Target: true, Modes: shapes(), Shapes: true, Estimate: 160 * time.Second,
		Doc:     "a pod writes, the kubelet is stopped and started; the pod's writer goes on all the time",
		Decides: "data readable from all vantage points, mount and container kept, no gap for the writer",
		Drive:   driveKubeletRestart,
		Judge:   judgeKubeletRestart,
	}
}

func driveKubeletRestart(ctx context.Context, b *Batch) error {
	return b.withShapes(ctx, func(ctx context.Context, k *kube.Client) error {
		return b.kubeletAway(ctx, k, fault.KubeletStop(b.Target.Name, b.Target.Kubelet()), "")
	})
}

// kubeletAway takes the kubelet away and gives it back, while the cells' pods
// write and everybody reads; then it ends their writers. The facts that it sets
// end with mode and the pod's label.
func (b *Batch) kubeletAway(ctx context.Context, k *kube.Client, spec fault.Spec, mode string) error {
	if err := b.noteKubelet(ctx); err != nil {
		return err
	}
	heal, err := b.inject(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
	err = b.eachPod(ctx, "write and read without the kubelet", func(ctx context.Context, w *workload) error {
		if err := b.moreAppends(ctx, w, 2*calmRecords); err != nil {
			return err
		}
		if err := b.lookAround(ctx, w); err != nil {
			return err
		}
		return b.moreAppends(ctx, w, calmRecords)
	})
	if err != nil {
		return err
	}
	started := time.Now()
	if err := heal(ctx); err != nil {
		return err
	}
	if err := b.awaitKubelet(ctx); err != nil {
		return err
	}
	if err := b.awaitNodeReady(ctx, k, started); err != nil {
		return err
	}
	return b.eachPod(ctx, "with the kubelet back", func(ctx context.Context, w *workload) error {
		if err := b.moreAppends(ctx, w, calmRecords); err != nil {
			return err
		}
		if err := b.lookAround(ctx, w); err != nil {
			return err
		}
		if err := b.notePod(ctx, k, w, mode+w.plan.label); err != nil {
			return err
		}
		return b.endAppending(ctx, w)
	})
}

// notePod notes how the API and the node see the pod now, in facts that end
// with mode.
func (b *Batch) notePod(ctx context.Context, k *kube.Client, w *workload, mode string) error {
	pod, err := k.AwaitPod(ctx, b.namespace(), w.name(), func(*corev1.Pod) bool { return true })
	if err != nil {
		return err
	}
	restarts := int32(0)
	for _, s := range pod.Status.ContainerStatuses {
		restarts += s.RestartCount
	}
	inHost, inContainer, err := b.mountsKept(ctx, w)
	if err != nil {
		return err
	}
	t := w.cell.Trial
	t.SetFact("container_kept"+mode, kube.ContainerID(pod) == w.containerID && pod.UID == w.pod.UID)
	t.SetFact("node"+mode, pod.Spec.NodeName)
	t.SetFact("restarts"+mode, restarts)
	t.SetFact("mount_kept_host"+mode, inHost)
	t.SetFact("mount_kept_container"+mode, inContainer)
	return nil
}

// endAppending stops the pod's writer and reads the truth from the server.
func (b *Batch) endAppending(ctx context.Context, w *workload) error {
	if _, err := w.appends.stop(ctx); err != nil {
		return fmt.Errorf("stop the pod's writer: %w", err)
	}
	return b.podTruth(ctx, w)
}

// podTruth reads the pod's log from the server's disk.
func (b *Batch) podTruth(ctx context.Context, w *workload) error {
	node, err := b.node(ctx, b.server())
	if err != nil {
		return err
	}
	return w.cell.logTruth(ctx, node, w.cell.Export.Path+"/"+w.file(), w.file())
}

func judgeKubeletRestart(e *Evidence) Judgement {
	j, ok := judgeKubeletAway(e.withoutShapes(), faultKubeletStop, "")
	if ok {
		j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	}
	j.Notes = append(j.Notes, shapeNotes(e)...)
	j.Modes = judgeShapes(e, func(of *Evidence, shape string) Mode {
		away, _ := judgePodAway(of, faultKubeletStop, shape, shape)
		return Mode{Outcomes: away.Outcomes, Models: away.Models}
	})
	return j
}

// judgePodAway judges what kubeletAway recorded of one pod under a fault: client
// is that of its records, and its facts end with suffix. ok is false when there
// is nothing to judge but that.
func judgePodAway(e *Evidence, faultName, client, suffix string) (j Judgement, ok bool) {
	if o, ok := judgeFault(e, faultName, history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}, false
	}
	f, _ := e.fault(faultName)
	j = judgeModels(e.Ops, consistency.AppendLog)
	j.Outcomes = append(j.Outcomes, judgeLooks(e.Ops, client)...)
	to := f.HealedAt
	if o, ok := e.after(eventNodeReady, f.HealedAt); ok {
		to = o.T
	}
	j.Outcomes = append(j.Outcomes, judgeGaps(e, client, f.InjectedAt, to), judgeKept(e, suffix))
	return j, true
}

// judgeKubeletAway is judgePodAway for a cell's first pod, with what is to be
// said of the kubelet.
func judgeKubeletAway(e *Evidence, faultName, mode string) (j Judgement, ok bool) {
	if j, ok = judgePodAway(e, faultName, podAppends, mode); !ok {
		return j, false
	}
	f, _ := e.fault(faultName)
	if o, ok := e.after(eventKubeletHealthy, f.HealedAt); ok {
		j.note("kubelet healthy %s after its unit was active again", seconds(o.T-f.HealedAt))
	}
	if now, ok := e.after(eventKubeletProcess, f.HealedAt); ok {
		before := rundir.Observation{Value: "unknown"}
		for _, o := range e.Observations {
			if o.Event == eventKubeletProcess && o.T < f.InjectedAt {
				before = o
			}
		}
		j.note("the kubelet was process %s, and is %s", before.Value, now.Value)
	}
	return j, true
}

// after returns the first observation of an event that was made at t or later.
func (e *Evidence) after(event string, t int64) (rundir.Observation, bool) {
	for _, o := range e.Observations {
		if o.Event == event && o.T >= t {
			return o, true
		}
	}
	return rundir.Observation{}, false
}

// judgeKept says whether the pod is where it was, with the container and the
// mounts it had, by the facts that end with mode.
func judgeKept(e *Evidence, mode string) outcome.Outcome {
	for _, fact := range []string{"container_kept", "mount_kept_host", "mount_kept_container"} {
		kept, ok := e.Trial.Facts[fact+mode].(bool)
		if !ok {
			return outcome.New(outcome.Inconclusive, "%s was not recorded", fact).In("trial.json")
		}
		if !kept && fact == "container_kept" {
			return outcome.New(outcome.Moved, "the container is another one, on node %v, restarts %v", e.Trial.Facts["node"+mode], e.Trial.Facts["restarts"+mode]).From("api").In("trial.json")
		}
		if !kept {
			return outcome.New(outcome.UnmountedUnderPod, "%s: false", fact).From("node").In("trial.json")
		}
	}
	container := "same container"
	if n, ok := number(e.Trial.Facts["restarts"+mode]); ok && n > 0 {
		container = fmt.Sprintf("same container since it was started again (restarts %d)", n)
	}
	return outcome.New(outcome.Stayed, "%s, same mounts in the host's and the container's namespace", container).From("api", "node").In("trial.json")
}

// judgeLooks compares what each vantage point saw of the log of a client with
// what had been acknowledged to that before it looked.
func judgeLooks(ops []history.Op, client string) []outcome.Outcome {
	looks := 0
	for i := range ops {
		op := &ops[i]
		if op.Func != history.Read {
			continue
		}
		looks++
		begin, _ := op.Wide()
		need := ackedBefore(ops, client, begin)
		switch {
		case op.Result != history.OK:
			return []outcome.Outcome{outcome.New(outcome.Inconclusive, "%s could not read the log: %s", op.Client, orHung(op.Errno)).From(op.Client).In("history.jsonl")}
		case op.Seq < need:
			return []outcome.Outcome{outcome.New(outcome.UnboundedStale, "%s saw records 1 to %d when %d were acknowledged and synced", op.Client, op.Seq, need).From(op.Client).In("history.jsonl")}
		}
	}
	if looks == 0 {
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "nobody looked at the log")}
	}
	return []outcome.Outcome{outcome.New(outcome.CloseToOpen, "%d looks, each saw every record acknowledged before it", looks).
		From(client, secondName, history.ClientWire, history.ClientDisk).In("history.jsonl")}
}

// ackedBefore is the largest sequence number of a client that was acknowledged
// surely before t.
func ackedBefore(ops []history.Op, client string, t int64) int64 {
	var last int64
	for i := range ops {
		op := &ops[i]
		if op.Func == history.Append && op.Client == client && op.Result == history.OK {
			if _, ret := op.Wide(); ret < t {
				last = max(last, op.Seq)
			}
		}
	}
	return last
}
