package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	pending := testPod("w", "1", corev1.PodPending)
	up := running(pending)
	restarted := up.DeepCopy()
	restarted.Status.ContainerStatuses[0].RestartCount = 1
	unready := up.DeepCopy()
	unready.Status.Conditions[0].Status = corev1.ConditionFalse
	other := up.DeepCopy()
	other.Status.ContainerStatuses[0].ContainerID = "containerd://0123456789abcdef"
	stuck := pending.DeepCopy()
	stuck.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse}}
	for name, tc := range map[string]struct {
		before, after *corev1.Pod
		want          []string
	}{
		"first sight":         {nil, pending, []string{"node worker1", "phase Pending", "ready Unknown"}},
		"no change":           {up, up.DeepCopy(), nil},
		"started":             {pending, up, []string{"container agent running", "container agent id c0ffee", "phase Pending -> Running", "ready Unknown -> True"}},
		"restarted":           {up, restarted, []string{"container agent running -> running, restart 1"}},
		"another container":   {up, other, []string{"container agent id c0ffee -> 0123456789abc"}},
		"cannot be scheduled": {pending, stuck, []string{"condition PodScheduled False"}},
		"probe fails":         {up, unready, []string{"ready True -> False"}},
		"status lost":         {up, pending, []string{"container agent running -> none", "container agent id c0ffee -> none", "phase Running -> Pending", "ready True -> Unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Changes(tc.before, tc.after)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}
