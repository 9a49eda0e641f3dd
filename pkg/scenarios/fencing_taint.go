package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

const (
	// faultTaint is the name of the taint in the record of faults.
	faultTaint = "out-of-service-taint"
	// notReadyTimeout is how long a node without a kubelet may take to be not
	// Ready: the controller manager's --node-monitor-grace-period is 40 s, from
	// v1.32 on 50 s.
	notReadyTimeout = 100 * time.Second
	// evictionTimeout is how long the pods of a tainted node may take to leave the
	// API: they are deleted at once, and the garbage collector, which looks every
	// 20 s (pkg/controller/podgc gcCheckPeriod), removes what is Terminating.
	evictionTimeout = 100 * time.Second
)

func fencingTaint() Scenario {
	return Scenario{
		Name: "fencing-taint", Family: FamilyKubelet, Target: true, Quiet: true, Cells: 3, Estimate: 220 * time.Second,
		Doc:     "a node whose kubelet is down, and whose containers run, is given the out-of-service taint; its pods are removed by the control plane and replaced on the other worker",
		Decides: "whether the taint fences anything on NFS: for how long two pods write to one volume",
		Drive:   driveFencingTaint,
		Judge:   judgeFencingTaint,
	}
}

// outOfService is the taint that says that a node is shut down for good. Kubernetes
// looks at the key alone; the value says whose it is, for kube.Client.Cleanup when
// the run is killed.
func outOfService(runID string) corev1.Taint {
	return corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: runID, Effect: corev1.TaintEffectNoExecute}
}

func driveFencingTaint(ctx context.Context, b *Batch) error {
	return b.withPodsOf(ctx, podsPlan{readWriteOnce: true, pods: []podPlan{{}}}, func(ctx context.Context, k *kube.Client) (err error) {
		ends := map[*Cell]*ending{}
		for _, c := range b.live() {
			ends[c] = b.watchEnd(ctx, c.workload).alsoInAPI(ctx, b, k, c.workload)
		}
		back, heal, err := b.kubeletDown(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		if err := b.awaitNotReady(ctx, k); err != nil {
			return err
		}
		untaint, err := b.taint(ctx, k)
		defer func() { err = errors.Join(err, untaint(context.WithoutCancel(ctx))) }()
		if err != nil {
			return err
		}
		err = b.each(ctx, "await the pods' removal, replace them", func(ctx context.Context, c *Cell) error {
			if err := ends[c].awaitOne(ctx, eventAPIGone, evictionTimeout); err != nil {
				return err
			}
			return b.replace(ctx, k, c)
		})
		if err != nil {
			return err
		}
		if err := back(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await the end of the old pod", func(ctx context.Context, c *Cell) error { return b.endBoth(ctx, c, ends[c]) })
	})
}

// awaitNotReady waits until the control plane takes Target for not Ready.
func (b *Batch) awaitNotReady(ctx context.Context, k *kube.Client) error {
	b.Phase("await node not Ready")
	ctx, cancel := context.WithTimeout(ctx, notReadyTimeout)
	defer cancel()
	defer waiting(ctx)()
	end := awaiting(ctx, awaitNodeNotReady, b.Target.Name, "")
	_, err := k.AwaitNode(ctx, b.Target.Name, func(n *corev1.Node) bool {
		return kube.NodeCondition(n, corev1.NodeReady).Status != corev1.ConditionTrue
	})
	end(err)
	return err
}

// untaintTimeout bounds taking the taint off again, also after an interrupt.
const untaintTimeout = time.Minute

// taint puts the taint on Target and reads it back, which is its proof. The
// undo, which is never nil, is recorded with the fault.
func (b *Batch) taint(ctx context.Context, k *kube.Client) (untaint func(ctx context.Context) error, err error) {
	b.Phase("fault: " + faultTaint + " on " + b.Target.Name)
	defer waiting(ctx)()
	tainted := outOfService(b.RunID)
	rec := rundir.FaultRecord{
		Name: faultTaint, Machine: b.Target.Name,
		Undo: fmt.Sprintf("kubectl taint node %s %s:%s-", b.Target.Name, tainted.Key, tainted.Effect),
	}
	untaint = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, untaintTimeout)
		defer cancel()
		defer waiting(ctx)()
		err := k.Untaint(ctx, b.Target.Name, tainted)
		rec.HealedAt = agent.Mono()
		if err != nil {
			rec.Error = err.Error()
		}
		recordFault(b.Cells, rec)
		return err
	}
	if err := b.pauseBefore(ctx, PauseFault, b.Cells, fmt.Sprintf("node %s is given the taint %s", b.Target.Name, tainted.Key)); err != nil {
		return untaint, err
	}
	if err := k.Taint(ctx, b.Target.Name, tainted); err != nil {
		rec.Error = err.Error()
		return untaint, err
	}
	rec.InjectedAt = agent.Mono()
	node, err := k.AwaitNode(ctx, b.Target.Name, func(n *corev1.Node) bool {
		for _, t := range n.Spec.Taints {
			if t.MatchTaint(&tainted) {
				return true
			}
		}
		return false
	})
	if err != nil {
		rec.Error = err.Error()
		return untaint, err
	}
	rec.ProvenAt, rec.Proven, rec.Proof = agent.Mono(), true, nodeState(node)
	b.moments.take(faultTaint)
	return untaint, nil
}

func judgeFencingTaint(e *Evidence) Judgement {
	if o, ok := judgeFault(e, faultTaint, history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	taint, _ := e.fault(faultTaint)
	if gone, ok := e.First(eventAPIGone, ""); ok && gone.T < taint.InjectedAt {
		return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "the pod left the API before the taint was there").In("faults.jsonl", "observations.jsonl")}}
	}
	j := judgeReplaced(e, podEnd{client: podAppends, since: taint.InjectedAt, what: "the taint", limit: endTimeout})
	if stop, ok := e.fault(faultKubeletStop); ok {
		j.note("the kubelet was started again %s after the taint", seconds(stop.HealedAt-taint.InjectedAt))
	}
	return j
}
