package scenarios

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// The modes of long-outage: what keeps the pod running.
const (
	modeDeployment  = "deployment"
	modeStatefulSet = "statefulset"
)

const (
	// shortToleration is for how long the pods stay on a node that is not Ready, in
	// place of the API's default of 300 s.
	shortToleration = 10 * time.Second
	// successorSuffix follows the label of a pod in that of the one after it.
	successorSuffix = "-next"
	// eventEvicted is a pod that the control plane has marked for deletion, and
	// eventSuccessor one that runs in its place; Detail is the node.
	eventEvicted   = "evicted"
	eventSuccessor = "successor-running"
)

func longOutage() Scenario {
	return Scenario{
		Name: "long-outage", Family: FamilyKubelet, Target: true, Quiet: true, Cells: 3, Estimate: 460 * time.Second,
		Doc:     "the kubelet is down past the eviction time (tolerations of 10 s); the pods of a Deployment and of a StatefulSet write on; then the kubelet comes back",
		Decides: "who runs where, for how long two copies write to one log, and what the return does",
		Modes:   []string{modeDeployment, modeStatefulSet},
		Drive:   driveLongOutage,
		Judge:   judgeLongOutage,
	}
}

func driveLongOutage(ctx context.Context, b *Batch) error {
	kinds := map[string]kube.Controller{modeDeployment: kube.Deployment, modeStatefulSet: kube.StatefulSet}
	var plan podsPlan
	for _, mode := range longOutage().Modes {
		plan.pods = append(plan.pods, podPlan{label: mode, file: mode, controller: kinds[mode], tolerates: shortToleration})
	}
	return b.withPodsOf(ctx, plan, func(ctx context.Context, k *kube.Client) error {
		ends := map[*workload]*ending{}
		for _, c := range b.live() {
			for _, w := range c.workloads {
				if w.at.Name != b.Target.Name {
					return fmt.Errorf("pod %s was placed on %s, away from what is to be broken", w.name(), w.at.Name)
				}
				ends[w] = b.watchEnd(ctx, w).alsoInAPI(ctx, b, k, w)
			}
		}
		back, heal, err := b.kubeletDown(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
		if err := b.awaitNotReady(ctx, k); err != nil {
			return err
		}
		err = b.each(ctx, "await eviction and successor", func(ctx context.Context, c *Cell) error {
			for _, w := range c.workloads[:len(longOutage().Modes)] {
				if err := b.awaitEvicted(ctx, k, w); err != nil {
					return err
				}
			}
			first := c.workloads[0]
			next, err := b.succeed(ctx, k, first)
			if err != nil {
				return err
			}
			if err := b.moreAppends(ctx, next, 2*calmRecords); err != nil {
				return err
			}
			return b.moreAppends(ctx, first, calmRecords)
		})
		if err != nil {
			return err
		}
		if err := back(ctx); err != nil {
			return err
		}
		return b.each(ctx, "await the end of the old pods", func(ctx context.Context, c *Cell) error {
			first, second := c.workloads[0], c.workloads[1]
			for _, w := range []*workload{first, second} {
				if _, err := ends[w].await(ctx, endTimeout); err != nil {
					return err
				}
			}
			if _, err := b.succeed(ctx, k, second); err != nil {
				return err
			}
			for _, w := range c.workloads[2:] {
				if err := b.moreAppends(ctx, w, calmRecords); err != nil {
					return err
				}
				if _, err := w.appends.stop(ctx); err != nil {
					return fmt.Errorf("stop the writer of pod %s: %w", w.name(), err)
				}
			}
			for _, w := range []*workload{first, second} {
				if err := b.lastTruth(ctx, w); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// awaitEvicted waits until the control plane has marked the pod for deletion.
func (b *Batch) awaitEvicted(ctx context.Context, k *kube.Client, w *workload) error {
	ctx, cancel := context.WithTimeout(ctx, evictionTimeout)
	defer cancel()
	defer waiting(ctx)()
	end := awaiting(ctx, awaitPodTerminating, "", w.name())
	_, err := k.AwaitPod(ctx, b.namespace(), w.name(), func(p *corev1.Pod) bool { return p.UID == w.pod.UID && p.DeletionTimestamp != nil })
	end(err)
	if err == nil {
		w.cell.now("api", eventEvicted, w.subject(), "")
	}
	return err
}

// succeed waits until the controller of a pod has another one that runs, and has
// that write to the same file.
func (b *Batch) succeed(ctx context.Context, k *kube.Client, before *workload) (*workload, error) {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	plan := before.plan
	plan.label += successorSuffix
	w := &workload{cell: before.cell, plan: plan, before: before}
	w.plan.file = before.file()
	stop := waiting(ctx)
	err := b.takePod(ctx, k, w, func(p *corev1.Pod) bool { return p.UID != before.pod.UID && kube.PodRunning(p) })
	stop()
	if err != nil {
		return nil, fmt.Errorf("await the successor of pod %s: %w", before.name(), err)
	}
	w.cell.own(string(w.pod.UID))
	w.cell.took(w)
	w.cell.now("api", eventSuccessor, before.subject(), w.at.Name)
	if err := b.awaitContainer(ctx, k, w); err != nil {
		return nil, err
	}
	return w, b.startAppending(ctx, w)
}

func judgeLongOutage(e *Evidence) Judgement {
	if o, ok := judgeFault(e, faultKubeletStop, history.Append, calmRecords); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	f, _ := e.fault(faultKubeletStop)
	var j Judgement
	for _, name := range longOutage().Modes {
		j.Modes = append(j.Modes, judgeSucceeded(e, name, f))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeSucceeded judges one controller's pods: where the successor runs and
// since when, and whether both wrote.
func judgeSucceeded(e *Evidence, name string, f rundir.FaultRecord) Mode {
	m := Mode{Name: name}
	evicted, ok := e.First(eventEvicted, name)
	if !ok || evicted.T > f.HealedAt {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.NoFault, "the pod was not evicted while the kubelet was down").In("observations.jsonl")}
		return m
	}
	shared := judgeShared(e, name, name, name+successorSuffix)
	m.Models, m.Outcomes, m.Notes = shared.Models, shared.Outcomes, shared.Notes
	m.Outcomes = append(m.Outcomes, judgeBeside(e, name, name+successorSuffix))
	m.Outcomes = append(m.Outcomes, judgePlace(e, name, f))
	end := podEnd{label: name, client: name, since: f.HealedAt, what: "the kubelet was started again", limit: endTimeout}
	if ended, notes, ok := end.outcomes(e); ok {
		m.Outcomes = append(m.Outcomes, ended...)
		m.Notes = append(m.Notes, notes...)
	} else {
		m.Outcomes = append(m.Outcomes, stuckTerminating(end))
	}
	m.Figures = append([]rundir.Measure{{
		Name: "evicted after the kubelet was stopped", Figure: outcome.Seconds(float64(evicted.T-f.InjectedAt)/1e9, 0),
	}}, end.figures(e)...)
	return m
}

// judgePlace says where and after how long the successor ran: MOVED while the
// old node was away, MOVED_LATE when it had come back.
func judgePlace(e *Evidence, name string, f rundir.FaultRecord) outcome.Outcome {
	next, ok := e.First(eventSuccessor, name)
	if !ok {
		return outcome.New(outcome.NotRebuilt, "nothing ran in the pod's place").From("api").In("observations.jsonl")
	}
	word := outcome.Moved
	when := "while the kubelet was down"
	if next.T > f.HealedAt {
		word, when = outcome.MovedLate, "after the kubelet was back"
	}
	return outcome.New(word, "the successor ran on %s %s after the kubelet was stopped, %s", next.Detail, seconds(next.T-f.InjectedAt), when).
		WithFigure(outcome.Seconds(float64(next.T-f.InjectedAt)/1e9, 0)).From("api").In("observations.jsonl")
}
