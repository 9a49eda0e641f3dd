package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/nfsim/nfsim/pkg/agent/mono"
)

// PodReady is a condition for AwaitPod: the pod's Ready condition is true.
func PodReady(pod *corev1.Pod) bool {
	return podCondition(pod, corev1.PodReady) == corev1.ConditionTrue
}

// PodRunning is a condition for AwaitPod: every container runs.
func PodRunning(pod *corev1.Pod) bool {
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Running == nil {
			return false
		}
	}
	return pod.Status.Phase == corev1.PodRunning && len(pod.Status.ContainerStatuses) == len(pod.Spec.Containers)
}

func podCondition(pod *corev1.Pod, t corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == t {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// ContainerID is the runtime's ID of the pod's first container, without the
// runtime's name; empty while there is none.
func ContainerID(pod *corev1.Pod) string {
	if len(pod.Status.ContainerStatuses) == 0 {
		return ""
	}
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	return id
}

// AwaitPod waits until the pod is there and as cond wants it. The error is an
// *AwaitError when ctx ends, with how the pod stood last, and a *GoneError
// when the pod goes away while it is waited on.
func (c *Client) AwaitPod(ctx context.Context, namespace, name string, cond func(*corev1.Pod) bool) (*corev1.Pod, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	what, last := fmt.Sprintf("pod %s/%s", namespace, name), ""
	for e := range c.watchPods(watching, namespace, named(name)) {
		switch {
		case e.Kind == Gap:
			last = gapReason(e.Err, last)
		case e.Object == nil || e.Object.Name != name:
		case e.Gone():
			return nil, &GoneError{What: what, UID: e.Object.UID}
		case cond(e.Object):
			return e.Object, nil
		default:
			last = describe(e.Object)
		}
	}
	return nil, &AwaitError{What: what, Last: last, Err: ctx.Err()}
}

// Span is from when a request was first sent to when it was answered, in ns of
// the controller's CLOCK_MONOTONIC.
type Span struct{ Invoke, Return int64 }

// DeletePod asks for a pod's deletion and does not wait for it. A nil grace is
// the pod's own; 0 is what `kubectl delete --force` sends: the API server
// forgets the pod at once, whatever its containers do.
func (c *Client) DeletePod(ctx context.Context, namespace, name string, grace *int64) (Span, error) {
	span := Span{Invoke: mono.Now()}
	err := remove(ctx, fmt.Sprintf("delete pod %s/%s", namespace, name), func(ctx context.Context) error {
		return c.api.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: grace})
	})
	span.Return = mono.Now()
	return span, err
}

// remove sends a deletion until it is answered; that nothing is there any more
// is success when an earlier attempt may have done it.
func remove(ctx context.Context, op string, send func(context.Context) error) error {
	return try(ctx, op, func(ctx context.Context, attempt int) error {
		err := send(ctx)
		if attempt > 0 && apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// PodEvents are the API's events about a pod, oldest first. They are kept for
// an hour, even when the pod is gone.
func (c *Client) PodEvents(ctx context.Context, namespace, name string) ([]corev1.Event, error) {
	selector := fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": name}.AsSelector().String()
	var events []corev1.Event
	err := try(ctx, fmt.Sprintf("list events of pod %s/%s", namespace, name), func(ctx context.Context, _ int) error {
		list, err := c.api.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			return err
		}
		events = list.Items
		return nil
	})
	events = slices.DeleteFunc(events, func(e corev1.Event) bool { return e.InvolvedObject.Name != name })
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b).Time) })
	return events, err
}

func eventTime(e corev1.Event) metav1.Time {
	switch {
	case !e.FirstTimestamp.IsZero():
		return e.FirstTimestamp
	case !e.EventTime.IsZero():
		return metav1.Time{Time: e.EventTime.Time}
	}
	return e.CreationTimestamp
}

// samePod says whether an event is about the pod with this UID.
func samePod(e PodEvent, uid types.UID) bool { return e.Object != nil && e.Object.UID == uid }
