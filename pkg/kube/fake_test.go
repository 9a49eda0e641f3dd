package kube

import (
	"context"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

const (
	testNamespace = "trial-1"
	testRun       = "run-1"
)

// watchesOf hands out the watches that are opened on a resource, to be driven
// by the test: client-go's fake does not send what happened between a list and
// the watch that follows it.
func watchesOf(api *fake.Clientset, resource string) <-chan *watch.RaceFreeFakeWatcher {
	opened := make(chan *watch.RaceFreeFakeWatcher, 16)
	api.PrependWatchReactor(resource, func(kubetesting.Action) (bool, watch.Interface, error) {
		w := watch.NewRaceFreeFake()
		opened <- w
		return true, w, nil
	})
	return opened
}

// loseFirstAnswer lets the first request of a kind have its effect and then
// breaks the connection.
func loseFirstAnswer(api *fake.Clientset, verb, resource string, effect func(kubetesting.Action)) {
	lost := false
	api.PrependReactor(verb, resource, func(action kubetesting.Action) (bool, runtime.Object, error) {
		if lost {
			return false, nil, nil
		}
		lost = true
		effect(action)
		return true, nil, syscall.ECONNRESET
	})
}

// take receives the next of a channel, or fails the test.
func take[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v, open := <-from:
		if !open {
			t.Fatal("the channel is closed")
		}
		return v
	case <-testContext(t).Done():
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

func testPod(name, uid string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: testNamespace, UID: types.UID(uid), Labels: map[string]string{RunLabel: testRun}},
		Spec:       corev1.PodSpec{NodeName: "worker1", Containers: []corev1.Container{{Name: agentContainer}}},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

// endedByWatch is a context that ends when a resource is first watched: what
// was listed before is then already on its way to the reader.
func endedByWatch(t *testing.T, api *fake.Clientset, resource string) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	t.Cleanup(cancel)
	api.PrependWatchReactor(resource, func(kubetesting.Action) (bool, watch.Interface, error) {
		cancel()
		return true, watch.NewRaceFreeFake(), nil
	})
	return ctx
}
