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
	for name, tc := range map[string]struct {
		before, after *corev1.Pod
		want          []string
	}{
		"first sight": {nil, pending, []string{"node worker1", "phase Pending", "ready Unknown"}},
		"no change":   {up, up.DeepCopy(), nil},
		"started":     {pending, up, []string{"container agent running", "phase Pending -> Running", "ready Unknown -> True"}},
		"restarted":   {up, restarted, []string{"container agent running -> running, restart 1"}},
		"probe fails": {up, unready, []string{"ready True -> False"}},
		"status lost": {up, pending, []string{"container agent running -> none", "phase Running -> Pending", "ready True -> Unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Changes(tc.before, tc.after)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}
