package kube

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

// inventory is what two runs have in two namespaces.
func inventory() []runtime.Object {
	var out []runtime.Object
	for _, o := range []struct{ run, namespace string }{{testRun, testNamespace}, {testRun, "trial-2"}, {"run-0", "trial-0"}} {
		labels := map[string]string{RunLabel: o.run}
		pod := testPod("w", "pod-"+o.namespace, corev1.PodRunning)
		pod.Namespace, pod.Labels = o.namespace, labels
		out = append(out, pod,
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.namespace, Labels: labels}},
			&corev1.PersistentVolumeClaim{
				ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: o.namespace, Labels: labels},
				Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: o.namespace + "-data"},
				Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
			},
			&corev1.PersistentVolume{
				ObjectMeta: metav1.ObjectMeta{Name: o.namespace + "-data", Labels: labels},
				Spec: corev1.PersistentVolumeSpec{
					ClaimRef:                      &corev1.ObjectReference{Namespace: o.namespace, Name: "data"},
					PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
				},
				Status: corev1.PersistentVolumeStatus{Phase: corev1.VolumeBound},
			})
	}
	return out
}

func counts(t *testing.T, c *Client, namespace string) map[string]int {
	t.Helper()
	ledger, err := c.Ledger(testContext(t), namespace)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for category, entries := range ledger {
		out[category] = len(entries)
	}
	return out
}

func TestLedger(t *testing.T) {
	t.Parallel()
	client := NewFor(fake.NewClientset(inventory()...)).WithRun(testRun)
	got, err := client.Ledger(testContext(t), testNamespace)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"pods": {"trial-1/w uid=pod-trial-1 node=worker1"},
		"pvcs": {"trial-1/data phase=Bound volume=trial-1-data"},
		"pvs":  {"trial-1-data phase=Bound policy=Retain"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"pods": 2, "pvcs": 2, "pvs": 2}, counts(t, client, "")); diff != "" {
		t.Errorf("entries of the run (-want +got):\n%s", diff)
	}
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	all, half, none := map[string]int{"pods": 3, "pvcs": 3, "pvs": 3}, map[string]int{"pods": 2, "pvcs": 2, "pvs": 2}, map[string]int{"pods": 1, "pvcs": 1, "pvs": 1}
	for name, tc := range map[string]struct {
		options    CleanupOptions
		left       map[string]int
		namespaces int
	}{
		"one namespace":          {CleanupOptions{Namespace: testNamespace}, half, 3},
		"one namespace with all": {CleanupOptions{Namespace: testNamespace, Namespaces: true}, half, 2},
		"the run":                {CleanupOptions{Namespaces: true, Force: true}, none, 1},
		"nothing to do":          {CleanupOptions{Namespace: "trial-0"}, all, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := fake.NewClientset(inventory()...)
			if err := NewFor(api).WithRun(testRun).Cleanup(testContext(t), tc.options); err != nil {
				t.Fatalf("Cleanup: %v", err)
			}
			if diff := cmp.Diff(tc.left, counts(t, NewFor(api), "")); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			namespaces, err := api.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
			if err != nil || len(namespaces.Items) != tc.namespaces {
				t.Errorf("%d namespaces left (%v), want %d", len(namespaces.Items), err, tc.namespaces)
			}
		})
	}
}

// TestCleanupTaints checks that a run's taints go, and nobody else's.
func TestCleanupTaints(t *testing.T) {
	t.Parallel()
	others := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute}
	node := testNode("worker1", corev1.ConditionTrue)
	node.Spec.Taints = []corev1.Taint{others, {Key: corev1.TaintNodeOutOfService, Value: testRun, Effect: corev1.TaintEffectNoExecute}}
	api := fake.NewClientset(node)
	if err := NewFor(api).WithRun(testRun).Cleanup(testContext(t), CleanupOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := api.CoreV1().Nodes().Get(t.Context(), "worker1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]corev1.Taint{others}, got.Spec.Taints); diff != "" {
		t.Error(diff)
	}
}

// TestRemoveClaim checks that one claim goes, with its volume, and nothing else;
// and that one which a finalizer keeps is named.
func TestRemoveClaim(t *testing.T) {
	t.Parallel()
	objects := append(inventory(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: "data-2", Namespace: testNamespace, Labels: map[string]string{RunLabel: testRun},
	}})
	api := fake.NewClientset(objects...)
	client := NewFor(api).WithRun(testRun)
	for range 2 { // the second time there is none
		if err := client.RemoveClaim(testContext(t), testNamespace, "data"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]int{"pods": 1, "pvcs": 1, "pvs": 0}, counts(t, client, testNamespace)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	api.PrependReactor("delete", "persistentvolumeclaims", func(kubetesting.Action) (bool, runtime.Object, error) {
		cancel()
		return true, nil, nil // accepted, and kept by a finalizer
	})
	var await *AwaitError
	if err := client.RemoveClaim(ctx, testNamespace, "data-2"); !errors.As(err, &await) || !strings.Contains(await.Last, "claim trial-1/data-2") {
		t.Errorf("%v, want an *AwaitError that names the claim", err)
	}
}

func TestCleanupSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset(inventory()...)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	ownGrace := false
	api.PrependReactor("delete", "pods", func(action kubetesting.Action) (bool, runtime.Object, error) {
		ownGrace = action.(kubetesting.DeleteActionImpl).DeleteOptions.GracePeriodSeconds == nil
		cancel()
		return true, nil, nil // accepted, but no kubelet acts on it
	})
	err := NewFor(api).WithRun(testRun).Cleanup(ctx, CleanupOptions{Namespace: testNamespace})
	var await *AwaitError
	if !errors.As(err, &await) || !strings.Contains(await.Last, "pod trial-1/w") {
		t.Errorf("Cleanup: %v, want an *AwaitError that names the pod", err)
	}
	if !ownGrace {
		t.Error("the pod was not asked to leave with its own grace period")
	}
}

func TestCleanupNeedsARun(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset(inventory()...)
	if err := NewFor(api).Cleanup(testContext(t), CleanupOptions{}); err == nil || len(api.Actions()) != 0 {
		t.Errorf("Cleanup: %v after %d requests, want an error before the first", err, len(api.Actions()))
	}
}

func TestEnsureNamespace(t *testing.T) {
	t.Parallel()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: testNamespace}}
	api := fake.NewClientset(account)
	client := NewFor(api).WithRun(testRun)
	for range 2 {
		if err := client.EnsureNamespace(testContext(t), testNamespace); err != nil {
			t.Fatalf("EnsureNamespace: %v", err)
		}
	}
	namespace, err := api.CoreV1().Namespaces().Get(t.Context(), testNamespace, metav1.GetOptions{})
	if err != nil || namespace.Labels[RunLabel] != testRun {
		t.Errorf("namespace is %v (%v), want it labelled", namespace, err)
	}
	ctx := endedByWatch(t, api, "serviceaccounts")
	var await *AwaitError
	if err := client.EnsureNamespace(ctx, "trial-9"); !errors.As(err, &await) {
		t.Errorf("EnsureNamespace without a service account: %v, want an *AwaitError", err)
	}
}
