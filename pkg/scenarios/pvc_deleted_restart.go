package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// The modes of pvc-deleted-restart.
const (
	modeRunning   = "running"   // the container that ran all the time
	modeRestarted = "restarted" // the one that was started after it
)

// pvcProtection is the finalizer of a claim that a pod uses.
const pvcProtection = "kubernetes.io/pvc-protection"

// exitTimeout bounds the exit of a pod's process.
const exitTimeout = 30 * time.Second

const (
	factClaimTerminating = "claim_terminating"
	// eventNotBack is a container that was not started again: Detail is why.
	eventNotBack = "container-not-back"
)

func pvcDeletedRestart() Scenario {
	return Scenario{
		Name: "pvc-deleted-restart", Family: FamilyKubelet, Target: true, Cells: 3, Estimate: 150 * time.Second,
		Doc:     "the claim is deleted under a running pod (it stays Terminating), the kubelet restarts, then the pod's container does",
		Decides: "is the mount kept in the host's and the container's namespace; do the writes of the new container end on the node's own disk",
		Modes:   []string{modeRunning, modeRestarted},
		Drive:   drivePVCDeletedRestart,
		Judge:   judgePVCDeletedRestart,
	}
}

func drivePVCDeletedRestart(ctx context.Context, b *Batch) error {
	return b.withPods(ctx, func(ctx context.Context, k *kube.Client) (err error) {
		err = b.each(ctx, "delete the claim", func(ctx context.Context, c *Cell) error {
			defer waiting(ctx)()
			claim, err := k.DeleteClaim(ctx, b.namespace(), c.Key)
			if err == nil {
				c.Trial.SetFact(factClaimTerminating, claim.DeletionTimestamp != nil && slices.Contains(claim.Finalizers, pvcProtection))
			}
			return err
		})
		if err != nil {
			return err
		}
		heal, err := b.inject(ctx, fault.KubeletStop(b.Target.Name, b.Target.Kubelet()))
		if err != nil {
			return err
		}
		defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		err = b.each(ctx, "write without the kubelet", func(ctx context.Context, c *Cell) error { return b.moreAppends(ctx, c.workload, calmRecords) })
		if err != nil {
			return err
		}
		started := time.Now()
		if err := heal(ctx); err != nil {
			return err
		}
		// A pod that starts has been through the volume manager: what that wants to
		// unmount after a restart, it has begun to unmount by then.
		by := &bystander{name: b.Cells[0].Key + "-bystander"}
		defer func() { err = errors.Join(err, by.remove(context.WithoutCancel(ctx), b, k)) }()
		alive, err := b.kubeletAlive(ctx, k, by, started)
		if err == nil && !alive {
			err = fmt.Errorf("the kubelet on %s did not come back within %s", b.Target.Name, aliveWithin)
		}
		if err != nil {
			return err
		}
		return b.each(ctx, "restart the containers", func(ctx context.Context, c *Cell) error {
			w := c.workload
			if err := b.moreAppends(ctx, w, calmRecords); err != nil {
				return err
			}
			if err := b.notePod(ctx, k, w, ""); err != nil {
				return err
			}
			if _, err := w.appends.stop(ctx); err != nil {
				return fmt.Errorf("stop the pod's writer: %w", err)
			}
			if err := b.restartContainer(ctx, k, w); err != nil {
				return err
			}
			return b.podTruth(ctx, w)
		})
	})
}

// restartContainer has the pod's process exit, waits for another container, and
// has it write. That there is none, and that it has no mount, are results.
func (b *Batch) restartContainer(ctx context.Context, k *kube.Client, w *workload) error {
	note(ctx, rundir.Step{Do: rundir.DoCall, Machine: w.at.Name, In: w.name(), Call: &rundir.StepCall{Op: string(proto.OpExit), Path: fmt.Sprintf("/proc/%d/", w.pid)}})
	leaving, cancel := context.WithTimeout(ctx, exitTimeout)
	_, err := w.client.Do(leaving, proto.Request{Op: proto.OpExit})
	cancel()
	var session *agent.SessionError
	switch {
	case err == nil:
		return fmt.Errorf("have the process of pod %s exit: it answers and goes on", w.name())
	case !errors.As(err, &session):
		return fmt.Errorf("have the process of pod %s exit: %w", w.name(), err)
	}
	var mounted error
	back, why, err := within(ctx, podTimeout, func(ctx context.Context) error {
		err := b.awaitContainer(ctx, k, w)
		var missing *nfs.NotMountedError
		if errors.As(err, &missing) {
			mounted = err
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if !back {
		w.cell.now("api", eventNotBack, w.subject(), why)
		return nil
	}
	if mounted != nil {
		w.cell.now("node", eventHostUnmounted, w.subject(), mounted.Error())
		node, err := b.node(ctx, w.at)
		if err != nil {
			return err
		}
		if w.client, err = dialPod(ctx, node, b.socketDir(w)+agentSocket, w.name()); err != nil {
			return err
		}
	}
	if err := b.startAppending(ctx, w); err != nil {
		return err
	}
	if err := b.notePod(ctx, k, w, modeRestarted); err != nil {
		return err
	}
	_, err = w.appends.stop(ctx)
	return err
}

func judgePVCDeletedRestart(e *Evidence) Judgement {
	if o, ok := judgeFault(e, faultKubeletStop, history.Append, calmRecords/2); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	if terminating, _ := e.Trial.Facts[factClaimTerminating].(bool); !terminating {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the claim was not Terminating, kept by its finalizer, when the kubelet restarted").In("trial.json")}}
	}
	f, _ := e.fault(faultKubeletStop)
	models := judgeModels(e.Ops, consistency.AppendLog)
	running := Mode{Name: modeRunning, Models: models.Models, Outcomes: models.Outcomes}
	to := f.HealedAt
	if o, ok := e.after(eventBystander, f.HealedAt); ok {
		to = o.T
	}
	running.Outcomes = append(running.Outcomes, judgeGaps(e, podAppends, f.InjectedAt, to), judgeKept(e, ""))
	return Judgement{
		Modes:    []Mode{running, {Name: modeRestarted, Outcomes: []outcome.Outcome{judgeNewContainer(e)}}},
		Outcomes: judgeLedger(e),
	}
}

// judgeNewContainer says what the container that was started under a Terminating
// claim had below its mount point.
func judgeNewContainer(e *Evidence) outcome.Outcome {
	if o, ok := e.First(eventNotBack, ""); ok {
		return outcome.New(outcome.NotRebuilt, "the container was not started again: %s", o.Detail).From("api").In("observations.jsonl")
	}
	acked := 0
	onDisk := map[string]bool{}
	for _, op := range funcOps(e.Ops, history.Truth) {
		onDisk[op.Value] = true
	}
	missing := 0
	for _, op := range funcOps(e.Ops, history.Append) {
		if op.Client != secondLife || op.Result != history.OK {
			continue
		}
		acked++
		if !onDisk[op.Value] {
			missing++
		}
	}
	kept, ok := e.Trial.Facts["mount_kept_container"+modeRestarted].(bool)
	switch {
	case acked < calmRecords || !ok:
		return outcome.New(outcome.Inconclusive, "only %d records of the new container were acknowledged, %d are wanted", acked, calmRecords).In("history.jsonl")
	case missing > 0:
		return outcome.New(outcome.ShadowWrite, "%d of %d records that the new container had acknowledged are not on the server; NFS below its mount point: %v", missing, acked, kept).From("pod", "disk").In("history.jsonl", "trial.json")
	case !kept:
		return outcome.New(outcome.Inconclusive, "the new container has no NFS below its mount point, and all of its %d records are on the server", acked).In("history.jsonl", "trial.json")
	}
	return outcome.New(outcome.Stayed, "the new container has the volume, and its %d acknowledged records are on the server", acked).From("pod", "disk").In("history.jsonl", "trial.json")
}
