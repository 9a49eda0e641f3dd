package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestControllers(t *testing.T) {
	t.Parallel()
	for _, kind := range []Controller{Deployment, StatefulSet} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			api := fake.NewClientset()
			c := NewFor(api).WithRun(testRun)
			w := WorkloadPod{Name: "writer", Namespace: testNamespace, Claim: "data"}
			if err := c.CreateController(testContext(t), kind, w); err != nil {
				t.Fatal(err)
			}
			var template corev1.PodTemplateSpec
			var selector *metav1.LabelSelector
			if kind == Deployment {
				d, err := api.AppsV1().Deployments(testNamespace).Get(testContext(t), "writer", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				template, selector = d.Spec.Template, d.Spec.Selector
			} else {
				s, err := api.AppsV1().StatefulSets(testNamespace).Get(testContext(t), "writer", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				template, selector = s.Spec.Template, s.Spec.Selector
			}
			if template.Labels[RunLabel] != testRun || template.Labels[ControllerLabel] != "writer" || selector.MatchLabels[ControllerLabel] != "writer" {
				t.Errorf("labels %v, selector %v", template.Labels, selector)
			}
			if len(template.Spec.Volumes) == 0 {
				t.Error("the pods have no volume")
			}
			if err := c.DeleteController(testContext(t), kind, testNamespace, "writer"); err != nil {
				t.Error(err)
			}
			if err := c.DeleteController(testContext(t), kind, testNamespace, "writer"); !apierrors.IsNotFound(err) {
				t.Errorf("deleted twice: %v, want not found", err)
			}
			w.Node = "worker1"
			if err := c.CreateController(testContext(t), kind, w); err == nil {
				t.Error("pods of a controller were put on a node")
			}
		})
	}
}

func TestAwaitControlled(t *testing.T) {
	t.Parallel()
	of := func(controller, uid string, phase corev1.PodPhase) *corev1.Pod {
		pod := testPod(controller+"-"+uid, uid, phase)
		pod.Labels[ControllerLabel] = controller
		return pod
	}
	running := func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }
	api := fake.NewClientset(of("other", "1", corev1.PodRunning), of("writer", "2", corev1.PodPending), of("writer", "3", corev1.PodRunning))
	pod, err := NewFor(api).AwaitControlled(testContext(t), testNamespace, "writer", running)
	if err != nil || pod.UID != "3" {
		t.Errorf("pod %v, error %v; want the one of the controller that runs", pod, err)
	}
	none := fake.NewClientset(of("writer", "2", corev1.PodPending))
	var await *AwaitError
	if _, err := NewFor(none).AwaitControlled(endedByWatch(t, none, "pods"), testNamespace, "writer", running); !errors.As(err, &await) {
		t.Errorf("error %v, want an *AwaitError", err)
	}
}
