package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

func running(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: agentContainer, ContainerID: "containerd://c0ffee", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
	}}
	return pod
}

func TestAwaitPod(t *testing.T) {
	t.Parallel()
	pending := testPod("w", "1", corev1.PodPending)
	for name, cond := range map[string]func(*corev1.Pod) bool{"ready": PodReady, "running": PodRunning} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := fake.NewClientset(pending.DeepCopy())
			opened := watchesOf(api, "pods")
			done := make(chan error, 1)
			go func() {
				pod, err := NewFor(api).AwaitPod(testContext(t), testNamespace, "w", cond)
				if err == nil && ContainerID(pod) != "c0ffee" {
					err = errors.New("container ID is " + ContainerID(pod))
				}
				done <- err
			}()
			w := take(t, opened)
			w.Modify(running(testPod("another", "9", corev1.PodPending)))
			w.Modify(running(pending))
			if err := take(t, done); err != nil {
				t.Errorf("AwaitPod: %v", err)
			}
		})
	}
}

func TestAwaitPodThatGoes(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset(testPod("w", "1", corev1.PodPending))
	opened := watchesOf(api, "pods")
	done := make(chan error, 1)
	go func() {
		_, err := NewFor(api).AwaitPod(testContext(t), testNamespace, "w", PodReady)
		done <- err
	}()
	take(t, opened).Delete(testPod("w", "1", corev1.PodPending))
	var gone *GoneError
	if err := take(t, done); !errors.As(err, &gone) || gone.UID != "1" {
		t.Errorf("AwaitPod: %v, want a *GoneError of UID 1", err)
	}
}

func TestAwaitPodSaysHowItStood(t *testing.T) {
	t.Parallel()
	stuck := testPod("w", "1", corev1.PodPending)
	stuck.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: agentContainer, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImageNeverPull", Message: "the image is not present"},
	}}}
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	_, err := NewFor(fake.NewClientset(stuck)).AwaitPod(ctx, testNamespace, "w", func(*corev1.Pod) bool {
		cancel()
		return false
	})
	var await *AwaitError
	if !errors.As(err, &await) || !errors.Is(err, context.Canceled) {
		t.Fatalf("AwaitPod: %v, want an *AwaitError of its context", err)
	}
	for _, part := range []string{"phase Pending", "ErrImageNeverPull", "the image is not present"} {
		if !strings.Contains(await.Last, part) {
			t.Errorf("%q is not in %q", part, await.Last)
		}
	}
}

func transitions(ts []Transition) []string {
	var out []string
	for _, tr := range ts {
		out = append(out, tr.What)
	}
	return out
}

func TestAwaitPodGone(t *testing.T) {
	t.Parallel()
	pod := running(testPod("w", "1", corev1.PodRunning))
	leaving := pod.DeepCopy()
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	leaving.DeletionGracePeriodSeconds = new(int64)
	dead := leaving.DeepCopy()
	dead.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 137}}

	t.Run("step by step", func(t *testing.T) {
		t.Parallel()
		api := fake.NewClientset(pod.DeepCopy())
		opened := watchesOf(api, "pods")
		type result struct {
			seen []Transition
			err  error
		}
		done := make(chan result, 1)
		go func() {
			seen, err := NewFor(api).AwaitPodGone(testContext(t), testNamespace, "w", "1")
			done <- result{seen, err}
		}()
		w := take(t, opened)
		w.Modify(leaving)
		w.Modify(dead)
		w.Delete(dead)
		got := take(t, done)
		if got.err != nil {
			t.Fatalf("AwaitPodGone: %v", got.err)
		}
		want := []string{
			"container agent running", "container agent id c0ffee", "node worker1", "phase Running", "ready True",
			"deletion requested (grace 0 s)",
			"container agent running -> terminated (Error, exit 137)",
			"gone",
		}
		if diff := cmp.Diff(want, transitions(got.seen)); diff != "" {
			t.Errorf("transitions (-want +got):\n%s", diff)
		}
	})

	t.Run("gone before", func(t *testing.T) {
		t.Parallel()
		seen, err := NewFor(fake.NewClientset()).AwaitPodGone(testContext(t), testNamespace, "w", "1")
		if diff := cmp.Diff([]string{"gone"}, transitions(seen)); diff != "" || err != nil {
			t.Errorf("AwaitPodGone: %v, transitions (-want +got):\n%s", err, diff)
		}
	})

	t.Run("replaced by its namesake", func(t *testing.T) {
		t.Parallel()
		seen, err := NewFor(fake.NewClientset(pod.DeepCopy())).AwaitPodGone(testContext(t), testNamespace, "w", "0")
		if diff := cmp.Diff([]string{"gone"}, transitions(seen)); diff != "" || err != nil {
			t.Errorf("AwaitPodGone: %v, transitions (-want +got):\n%s", err, diff)
		}
	})

	t.Run("stays", func(t *testing.T) {
		t.Parallel()
		api := fake.NewClientset(leaving.DeepCopy())
		ctx := endedByWatch(t, api, "pods")
		seen, err := NewFor(api).AwaitPodGone(ctx, testNamespace, "w", "1")
		var await *AwaitError
		if !errors.As(err, &await) || !strings.Contains(await.Last, "deletion requested") || len(seen) == 0 {
			t.Errorf("AwaitPodGone: %v with %d transitions", err, len(seen))
		}
	})
}

func TestDeletePod(t *testing.T) {
	t.Parallel()
	zero, api := new(int64), fake.NewClientset(testPod("w", "1", corev1.PodRunning))
	client := NewFor(api)
	span, err := client.DeletePod(testContext(t), testNamespace, "w", zero)
	if err != nil || span.Invoke <= 0 || span.Return < span.Invoke {
		t.Errorf("DeletePod: %v, span %+v", err, span)
	}
	deletion, ok := api.Actions()[0].(kubetesting.DeleteActionImpl)
	if !ok {
		t.Fatalf("the first action is %T", api.Actions()[0])
	}
	if diff := cmp.Diff(metav1.DeleteOptions{GracePeriodSeconds: zero}, deletion.DeleteOptions); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if _, err := client.DeletePod(testContext(t), testNamespace, "w", nil); !apierrors.IsNotFound(err) {
		t.Errorf("DeletePod of a pod that is not there: %v, want not found", err)
	}
}

func TestDeletePodWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset(testPod("w", "1", corev1.PodRunning))
	loseFirstAnswer(api, "delete", "pods", func(kubetesting.Action) {
		if err := api.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), testNamespace, "w"); err != nil {
			t.Error(err)
		}
	})
	if _, err := NewFor(api).DeletePod(testContext(t), testNamespace, "w", nil); err != nil {
		t.Errorf("DeletePod: %v", err)
	}
}

func TestPodEvents(t *testing.T) {
	t.Parallel()
	event := func(name, pod string, at int64) *corev1.Event {
		return &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Name: name, Namespace: testNamespace},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: pod},
			FirstTimestamp: metav1.Unix(at, 0),
			Reason:         name,
		}
	}
	api := fake.NewClientset(event("killing", "w", 20), event("started", "w", 10), event("other", "v", 15))
	events, err := NewFor(api).PodEvents(testContext(t), testNamespace, "w")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Reason)
	}
	if diff := cmp.Diff([]string{"started", "killing"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
