package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Transition is one visible change of a pod.
type Transition struct {
	At   int64  // controller's CLOCK_MONOTONIC in ns when the news arrived
	What string // like "phase Pending -> Running" or "ready False -> True"
}

// AwaitPodGone waits until the API server has no pod with this UID any more,
// and returns what was seen of it on the way; the last transition is "gone".
// A new pod of the same name counts as gone. When ctx ends first the error is
// an *AwaitError, and the transitions are those that there were.
func (c *Client) AwaitPodGone(ctx context.Context, namespace, name string, uid types.UID) ([]Transition, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	var seen []Transition
	var last *corev1.Pod
	present := false
	for e := range c.watchPods(watching, namespace, named(name)) {
		if e.Kind == Synced {
			if !present {
				return append(seen, Transition{At: e.At, What: "gone"}), nil
			}
			continue
		}
		if e.Kind == Gap {
			present = false
			seen = append(seen, Transition{At: e.At, What: "watch interrupted"})
			continue
		}
		if !samePod(e, uid) {
			continue
		}
		for _, what := range Changes(last, e.Object) {
			seen = append(seen, Transition{At: e.At, What: what})
		}
		if e.Gone() {
			return append(seen, Transition{At: e.At, What: "gone"}), nil
		}
		last, present = e.Object, true
	}
	state := ""
	if last != nil {
		state = describe(last)
	}
	return seen, &AwaitError{What: fmt.Sprintf("pod %s/%s to be gone", namespace, name), Last: state, Err: ctx.Err()}
}

// Changes names what differs between two states of a pod, in a fixed order;
// before may be nil. It is the content of an observation, not a full diff.
func Changes(before, after *corev1.Pod) []string {
	var was map[string]string
	if before != nil {
		was = aspects(before)
	}
	is := aspects(after)
	var out []string
	for _, key := range slices.Sorted(keys(is, was)) {
		switch {
		case was[key] == is[key]:
		case was[key] == "":
			out = append(out, key+" "+is[key])
		case is[key] == "":
			out = append(out, key+" "+was[key]+" -> none")
		default:
			out = append(out, key+" "+was[key]+" -> "+is[key])
		}
	}
	return out
}

// shownID is how much of a container's id is shown, as crictl(8) does.
const shownID = 13

func keys(sets ...map[string]string) func(func(string) bool) {
	all := map[string]bool{}
	for _, set := range sets {
		for key := range set {
			all[key] = true
		}
	}
	return func(yield func(string) bool) {
		for key := range all {
			if !yield(key) {
				return
			}
		}
	}
}

// aspects are the parts of a pod's state that a person would tell another.
func aspects(pod *corev1.Pod) map[string]string {
	out := map[string]string{
		"phase": string(pod.Status.Phase),
		"ready": string(podCondition(pod, corev1.PodReady)),
		"node":  pod.Spec.NodeName,
	}
	if pod.DeletionTimestamp != nil {
		out["deletion"] = "requested"
		if pod.DeletionGracePeriodSeconds != nil {
			out["deletion"] = fmt.Sprintf("requested (grace %d s)", *pod.DeletionGracePeriodSeconds)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodReady {
			out["condition "+string(c.Type)] = string(c.Status)
		}
	}
	for _, s := range pod.Status.ContainerStatuses {
		out["container "+s.Name] = containerState(s)
		_, id, _ := strings.Cut(s.ContainerID, "://")
		out["container "+s.Name+" id"] = id[:min(len(id), shownID)]
	}
	return out
}

func containerState(s corev1.ContainerStatus) string {
	state := "unknown"
	switch {
	case s.State.Running != nil:
		state = "running"
	case s.State.Terminated != nil:
		state = fmt.Sprintf("terminated (%s, exit %d)", s.State.Terminated.Reason, s.State.Terminated.ExitCode)
	case s.State.Waiting != nil:
		state = "waiting (" + s.State.Waiting.Reason + ")"
	}
	if s.RestartCount > 0 {
		state += fmt.Sprintf(", restart %d", s.RestartCount)
	}
	return state
}

// describe is a pod's state in one line, for errors.
func describe(pod *corev1.Pod) string {
	parts := Changes(nil, pod)
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Waiting != nil && s.State.Waiting.Message != "" {
			parts = append(parts, s.State.Waiting.Message)
		}
	}
	if pod.Status.Message != "" {
		parts = append(parts, pod.Status.Message)
	}
	return strings.Join(parts, ", ")
}
