package kube

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

func TestTaints(t *testing.T) {
	t.Parallel()
	outOfService := corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}
	other := corev1.Taint{Key: "example.com/other", Effect: corev1.TaintEffectNoSchedule}
	theirs := outOfService
	theirs.Value = "somebody"
	for _, tc := range []struct {
		name   string
		before []corev1.Taint
		change func(*Client, context.Context, string, corev1.Taint) error
		want   []corev1.Taint
	}{
		{"put on", []corev1.Taint{other}, (*Client).Taint, []corev1.Taint{other, outOfService}},
		{"put on twice", []corev1.Taint{outOfService}, (*Client).Taint, []corev1.Taint{outOfService}},
		{"taken off", []corev1.Taint{other, outOfService}, (*Client).Untaint, []corev1.Taint{other}},
		{"taken off, and it is somebody else's", []corev1.Taint{theirs}, (*Client).Untaint, []corev1.Taint{theirs}},
		{"taken off twice", []corev1.Taint{other}, (*Client).Untaint, []corev1.Taint{other}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			node := testNode("worker1", corev1.ConditionTrue)
			node.Spec.Taints = tc.before
			api := fake.NewClientset(node)
			loseRace(api)
			if err := tc.change(NewFor(api), testContext(t), "worker1", outOfService); err != nil {
				t.Fatal(err)
			}
			got, err := api.CoreV1().Nodes().Get(testContext(t), "worker1", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Spec.Taints); diff != "" {
				t.Errorf("taints (-want +got):\n%s", diff)
			}
		})
	}
}

// loseRace refuses the first update of a node, as when its kubelet has written
// in between.
func loseRace(api *fake.Clientset) {
	lost := false
	api.PrependReactor("update", "nodes", func(kubetesting.Action) (bool, runtime.Object, error) {
		if lost {
			return false, nil, nil
		}
		lost = true
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "worker1", errors.New("written in between"))
	})
}

func TestAwaitNode(t *testing.T) {
	t.Parallel()
	notReady := func(n *corev1.Node) bool { return NodeCondition(n, corev1.NodeReady).Status != corev1.ConditionTrue }
	t.Run("comes", func(t *testing.T) {
		t.Parallel()
		api := fake.NewClientset(testNode("worker1", corev1.ConditionTrue), testNode("worker2", corev1.ConditionUnknown))
		nodes := watchesOf(api, "nodes")
		done := make(chan error, 1)
		go func() {
			_, err := NewFor(api).AwaitNode(testContext(t), "worker1", notReady)
			done <- err
		}()
		take(t, nodes).Modify(testNode("worker1", corev1.ConditionUnknown))
		if err := take(t, done); err != nil {
			t.Error(err)
		}
	})
	t.Run("does not come", func(t *testing.T) {
		t.Parallel()
		api := fake.NewClientset(testNode("worker1", corev1.ConditionTrue))
		_, err := NewFor(api).AwaitNode(endedByWatch(t, api, "nodes"), "worker1", notReady)
		var await *AwaitError
		if !errors.As(err, &await) || await.Last != "Ready=True ()" {
			t.Errorf("error %v, want an *AwaitError with the condition", err)
		}
	})
}
