package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NodeCondition is a node's condition of a type; Unknown when it has none.
func NodeCondition(node *corev1.Node, t corev1.NodeConditionType) corev1.NodeCondition {
	for _, c := range node.Status.Conditions {
		if c.Type == t {
			return c
		}
	}
	return corev1.NodeCondition{Type: t, Status: corev1.ConditionUnknown}
}

// AwaitNodesReady waits until each named node is Ready, the controller manager
// has taken its not-ready taint away, and its kubelet has shown that it lives:
// its lease in kube-node-lease was renewed after since (a kubelet's clock), or
// was seen to change while waiting, which needs no clock. Without the taint's
// end a node would count before anything binds claims or makes service
// accounts; without the lease a cluster restored from a snapshot would show
// the conditions of the day it was saved. Kubelets renew every 10 s. When ctx
// ends first the error is an *AwaitError that says how each missing node
// stands.
func (c *Client) AwaitNodesReady(ctx context.Context, names []string, since time.Time) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	state := nodesAlive{since: since, nodes: map[string]*nodeAlive{}}
	for _, name := range names {
		state.nodes[name] = &nodeAlive{}
	}
	nodes, leases := c.WatchNodes(watching), c.watchLeases(watching)
	for !state.all() {
		select {
		case <-ctx.Done():
			return &AwaitError{What: "nodes to be ready", Last: state.String(), Err: ctx.Err()}
		case e := <-nodes:
			state.node(e)
		case e := <-leases:
			state.lease(e)
		}
	}
	return nil
}

func (c *Client) watchLeases(ctx context.Context) <-chan Event[*coordinationv1.Lease] {
	leases := c.api.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	return follow(ctx, "watch node leases", metav1.ListOptions{}, source[*coordinationv1.Lease]{
		list: func(ctx context.Context, o metav1.ListOptions) ([]*coordinationv1.Lease, string, error) {
			list, err := leases.List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return pointers(list.Items), list.ResourceVersion, nil
		},
		watch: leases.Watch,
	})
}

type nodesAlive struct {
	since time.Time
	nodes map[string]*nodeAlive
}

type nodeAlive struct {
	ready        corev1.ConditionStatus
	tainted      bool   // not ready, as the controller manager sees it
	firstVersion string // of the lease
	renewed      time.Time
	alive        bool
}

func (s *nodesAlive) node(e NodeEvent) {
	if e.Object == nil {
		return
	}
	n, asked := s.nodes[e.Object.Name]
	switch {
	case !asked:
	case e.Gone():
		n.ready = ""
	default:
		n.ready = NodeCondition(e.Object, corev1.NodeReady).Status
		n.tainted = slices.ContainsFunc(e.Object.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
	}
}

func (s *nodesAlive) lease(e Event[*coordinationv1.Lease]) {
	if e.Object == nil || !e.Present() {
		return
	}
	n, asked := s.nodes[e.Object.Name]
	if !asked {
		return
	}
	if n.firstVersion == "" {
		n.firstVersion = e.Object.ResourceVersion
	}
	if e.Object.Spec.RenewTime != nil {
		n.renewed = e.Object.Spec.RenewTime.Time
	}
	if n.renewed.After(s.since) || e.Object.ResourceVersion != n.firstVersion {
		n.alive = true
	}
}

func (s *nodesAlive) all() bool {
	for _, n := range s.nodes {
		if !n.usable() {
			return false
		}
	}
	return true
}

func (n *nodeAlive) usable() bool { return n.alive && n.ready == corev1.ConditionTrue && !n.tainted }

// String says how the nodes stand that are still awaited.
func (s *nodesAlive) String() string {
	var missing []string
	for name, n := range s.nodes {
		switch {
		case n.usable():
		case n.ready == "":
			missing = append(missing, name+" is not registered")
		case !n.alive && n.renewed.IsZero():
			missing = append(missing, fmt.Sprintf("%s has Ready=%s and no lease", name, n.ready))
		case !n.alive:
			missing = append(missing, fmt.Sprintf("%s has Ready=%s and a lease last renewed %s", name, n.ready, n.renewed.UTC().Format(time.RFC3339)))
		case n.ready == corev1.ConditionTrue:
			missing = append(missing, fmt.Sprintf("%s is Ready and still has the taint %s: is the controller manager up?", name, corev1.TaintNodeNotReady))
		default:
			missing = append(missing, fmt.Sprintf("%s has Ready=%s", name, n.ready))
		}
	}
	slices.Sort(missing)
	return strings.Join(missing, "; ")
}
