package kube

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func testNode(name string, ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
	}
}

func testLease(name, version string, renewed time.Time) *coordinationv1.Lease {
	at := metav1.NewMicroTime(renewed)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease, ResourceVersion: version},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &at},
	}
}

func TestAwaitNodesReady(t *testing.T) {
	t.Parallel()
	restored := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	before, after := restored.Add(-time.Hour), restored.Add(time.Second)
	t.Run("renewed since", func(t *testing.T) {
		t.Parallel()
		api := fake.NewClientset(testNode("worker1", corev1.ConditionTrue), testLease("worker1", "7", after))
		if err := NewFor(api).AwaitNodesReady(testContext(t), []string{"worker1"}, restored); err != nil {
			t.Errorf("AwaitNodesReady: %v", err)
		}
	})

	t.Run("a lease that changes proves life without clocks", func(t *testing.T) {
		t.Parallel()
		api := fake.NewClientset(testNode("worker1", corev1.ConditionFalse), testLease("worker1", "7", before))
		leases, nodes := watchesOf(api, "leases"), watchesOf(api, "nodes")
		done := make(chan error, 1)
		go func() { done <- NewFor(api).AwaitNodesReady(testContext(t), []string{"worker1"}, restored) }()
		take(t, leases).Modify(testLease("worker1", "8", before.Add(time.Second)))
		take(t, nodes).Modify(testNode("worker1", corev1.ConditionTrue))
		if err := take(t, done); err != nil {
			t.Errorf("AwaitNodesReady: %v", err)
		}
	})
}

func TestNodesAlive(t *testing.T) {
	t.Parallel()
	restored := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	before, after := restored.Add(-time.Hour), restored.Add(time.Second)
	ready, unknown := testNode("w", corev1.ConditionTrue), testNode("w", corev1.ConditionUnknown)
	tainted := testNode("w", corev1.ConditionTrue)
	tainted.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}
	type nodeEvents []NodeEvent
	type leaseEvents []Event[*coordinationv1.Lease]
	for name, tc := range map[string]struct {
		nodes   nodeEvents
		leases  leaseEvents
		missing string
	}{
		"nothing seen":    {nil, nil, "w is not registered"},
		"no lease":        {nodeEvents{{Kind: Listed, Object: ready}}, nil, "w has Ready=True and no lease"},
		"stale lease":     {nodeEvents{{Kind: Listed, Object: ready}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", before)}}, "w has Ready=True and a lease last renewed 2026-11-20T11:00:00Z"},
		"fresh lease":     {nodeEvents{{Kind: Listed, Object: ready}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", after)}}, ""},
		"not ready":       {nodeEvents{{Kind: Listed, Object: unknown}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", after)}}, "w has Ready=Unknown"},
		"ready no longer": {nodeEvents{{Kind: Listed, Object: ready}, {Kind: Modified, Object: unknown}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", after)}}, "w has Ready=Unknown"},
		"tainted":         {nodeEvents{{Kind: Listed, Object: tainted}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", after)}}, "w is Ready and still has the taint node.kubernetes.io/not-ready: is the controller manager up?"},
		"taint removed":   {nodeEvents{{Kind: Listed, Object: tainted}, {Kind: Modified, Object: ready}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", after)}}, ""},
		"deleted":         {nodeEvents{{Kind: Listed, Object: ready}, {Kind: Deleted, Object: ready}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", after)}}, "w is not registered"},
		"listed twice":    {nodeEvents{{Kind: Listed, Object: ready}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", before)}, {Kind: Gap}, {Kind: Listed, Object: testLease("w", "7", before)}}, "w has Ready=True and a lease last renewed 2026-11-20T11:00:00Z"},
		"lease changed":   {nodeEvents{{Kind: Listed, Object: ready}}, leaseEvents{{Kind: Listed, Object: testLease("w", "7", before)}, {Kind: Modified, Object: testLease("w", "8", before)}}, ""},
		"another's":       {nodeEvents{{Kind: Listed, Object: testNode("v", corev1.ConditionTrue)}}, leaseEvents{{Kind: Listed, Object: testLease("v", "7", after)}}, "w is not registered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := nodesAlive{since: restored, nodes: map[string]*nodeAlive{"w": {}}}
			for _, e := range tc.nodes {
				state.node(e)
			}
			for _, e := range tc.leases {
				state.lease(e)
			}
			if diff := cmp.Diff(tc.missing, state.String()); diff != "" || state.all() != (tc.missing == "") {
				t.Errorf("all is %v, missing (-want +got):\n%s", state.all(), diff)
			}
		})
	}
}

func TestAwaitNodesReadyEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	var await *AwaitError
	if err := NewFor(fake.NewClientset()).AwaitNodesReady(ctx, []string{"worker1"}, time.Time{}); !errors.As(err, &await) {
		t.Errorf("AwaitNodesReady: %v, want an *AwaitError", err)
	}
}
