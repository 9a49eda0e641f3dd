package scenarios

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
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
// looks at the key alone; the value says whose it is, for kube.Client.Cleanup.
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
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, untaint(context.WithoutCancel(ctx))) }()
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

// taint puts the taint on Target as a fault of every cell, and returns the way to
// take it off again.
func (b *Batch) taint(ctx context.Context, k *kube.Client) (untaint func(ctx context.Context) error, err error) {
	tainted := outOfService(b.RunID)
	return b.inject(ctx, fault.Spec{
		Name: faultTaint, Machine: b.Target.Name,
		Do:      func(ctx context.Context) error { return k.Taint(ctx, b.Target.Name, tainted) },
		Untaint: &tainted,
		Seen: func(ctx context.Context) (string, error) {
			node, err := k.AwaitNode(ctx, b.Target.Name, func(n *corev1.Node) bool { return kube.HasTaint(n, tainted) })
			if err != nil {
				return "", err
			}
			return nodeState(node), nil
		},
	})
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
