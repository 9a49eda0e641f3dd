package kube

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

type seen struct {
	Kind  EventKind
	Name  string
	Phase corev1.PodPhase
}

func look(e PodEvent) seen {
	s := seen{Kind: e.Kind}
	if e.Object != nil {
		s.Name, s.Phase = e.Object.Name, e.Object.Status.Phase
	}
	return s
}

func TestWatchPodsGoesOnAfterAGap(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset(testPod("a", "1", corev1.PodRunning))
	opened := watchesOf(api, "pods")
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	events := NewFor(api).WatchPods(ctx, testNamespace)

	var got []seen
	last := int64(0)
	expect := func(n int) {
		t.Helper()
		for range n {
			e := take(t, events)
			if e.At < last {
				t.Errorf("time went back at %v", look(e))
			}
			last = e.At
			got = append(got, look(e))
			if e.Kind == Gap && !errors.Is(e.Err, errWatchEnded) {
				t.Errorf("gap because of %v", e.Err)
			}
		}
	}
	w := take(t, opened)
	expect(2)
	w.Add(testPod("b", "2", corev1.PodPending))
	w.Modify(testPod("b", "2", corev1.PodRunning))
	w.Delete(testPod("b", "2", corev1.PodRunning))
	w.Add(testPod("c", "3", corev1.PodPending))
	expect(4)
	w.Stop()
	take(t, opened)
	expect(4)

	want := []seen{
		{Listed, "a", corev1.PodRunning}, {Kind: Synced},
		{Added, "b", corev1.PodPending}, {Modified, "b", corev1.PodRunning}, {Deleted, "b", corev1.PodRunning}, {Added, "c", corev1.PodPending},
		{Kind: Gap}, {Vanished, "c", corev1.PodPending}, {Listed, "a", corev1.PodRunning}, {Kind: Synced},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	cancel()
	for range events { // it is closed once the watch has ended
	}
}

func TestWatchNamesTheServersError(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	opened := watchesOf(api, "pods")
	events := NewFor(api).WatchPods(testContext(t), testNamespace)
	w := take(t, opened)
	take(t, events)
	w.Error(&metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonExpired, Message: "too old resource version"})
	e := take(t, events)
	if e.Kind != Gap || e.Err == nil || errors.Is(e.Err, errWatchEnded) {
		t.Errorf("event is %v with %v, want a gap with the server's reason", e.Kind, e.Err)
	}
}
