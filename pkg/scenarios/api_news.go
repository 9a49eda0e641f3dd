package scenarios

import (
	"context"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// What the API server told of pods and nodes while a trial went on.
const (
	eventPod  = "pod"  // a pod changed: Subject is its name, Detail what changed
	eventNode = "node" // a node's conditions or its taints changed
)

// followAPI notes every change that the API server tells of the cells' pods,
// and of the batch's two nodes, until stop is called; stop waits until all was
// noted. A watch that breaks off is made anew, and the gap is noted.
func (b *Batch) followAPI(ctx context.Context, k *kube.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	pods, nodes := k.WatchPods(ctx, b.namespace()), k.WatchNodes(ctx)
	wg.Go(func() {
		known := map[string]*corev1.Pod{}
		for e := range pods {
			b.podNews(known, e)
		}
	})
	wg.Go(func() {
		known := map[string]string{}
		for e := range nodes {
			b.nodeNews(known, e)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// podNews notes one event of the watch on pods for the cell that it is about.
func (b *Batch) podNews(known map[string]*corev1.Pod, e kube.PodEvent) {
	if e.Object == nil {
		return
	}
	name := e.Object.Name
	for _, c := range b.Cells {
		if name != c.Key && !strings.HasPrefix(name, c.Key+"-") {
			continue
		}
		for _, change := range kube.Changes(known[name], e.Object) {
			c.observe("", rundir.Observation{T: e.At, Source: "api", Event: eventPod, Subject: name, Detail: change})
		}
		if e.Gone() {
			c.observe("", rundir.Observation{T: e.At, Source: "api", Event: eventPod, Subject: name, Detail: "gone"})
		}
	}
	known[name] = e.Object
	if e.Gone() {
		delete(known, name)
	}
}

// nodeNews notes a change of a node's conditions or taints for every cell.
func (b *Batch) nodeNews(known map[string]string, e kube.NodeEvent) {
	if e.Object == nil || e.Object.Name != b.Target.Name && e.Object.Name != b.Other.Name {
		return
	}
	now := nodeState(e.Object)
	if known[e.Object.Name] == now {
		return
	}
	known[e.Object.Name] = now
	for _, c := range b.Cells {
		c.observe("", rundir.Observation{T: e.At, Source: "api", Event: eventNode, Subject: e.Object.Name, Detail: now})
	}
}

// nodeState is a node's Ready condition, those other conditions that are not
// False, which is well with them, and its taints, in one line.
func nodeState(node *corev1.Node) string {
	ready := kube.NodeCondition(node, corev1.NodeReady)
	state := fmt.Sprintf("Ready %s", ready.Status)
	if ready.Reason != "" {
		state += " (" + ready.Reason + ")"
	}
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady && c.Status != corev1.ConditionFalse {
			state += fmt.Sprintf(", %s %s (%s)", c.Type, c.Status, c.Reason)
		}
	}
	for _, t := range node.Spec.Taints {
		state += fmt.Sprintf(", taint %s:%s", t.Key, t.Effect)
	}
	return state
}
