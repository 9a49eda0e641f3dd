package run

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/nfsim/nfsim/pkg/kube"
)

func TestUntaint(t *testing.T) {
	t.Parallel()
	ours := corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "run", Effect: corev1.TaintEffectNoExecute}
	other := corev1.Taint{Key: "example.com/other", Effect: corev1.TaintEffectNoSchedule}
	api := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker1"}, Spec: corev1.NodeSpec{Taints: []corev1.Taint{ours, other}}})
	for range 2 {
		evidence, err := untaint(t.Context(), kube.NewFor(api), "worker1", ours)
		if err != nil || evidence != "node worker1 without taint node.kubernetes.io/out-of-service:NoExecute" {
			t.Errorf("%q, %v", evidence, err)
		}
	}
	node, err := api.CoreV1().Nodes().Get(t.Context(), "worker1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]corev1.Taint{other}, node.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if evidence, err := untaint(t.Context(), kube.NewFor(api), "worker9", ours); err != nil || evidence != "no node worker9" {
		t.Errorf("a node that is gone: %q, %v", evidence, err)
	}
}
