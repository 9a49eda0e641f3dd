package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/nfsim/nfsim/pkg/cluster"
)

func TestWorkloadPods(t *testing.T) {
	t.Parallel()
	grace := int64(60)
	for name, w := range map[string]WorkloadPod{
		"pod-claim.yaml": {
			Node: "worker1", Args: []string{"listen", "/run/nfsim/agent.sock"}, Claim: "data", SocketHostDir: "/run/nfsim/t1",
			TerminationGracePeriodSeconds: &grace, ReadinessExec: []string{"/nfsim-agent", "probe", "/data"},
			Tolerations: []corev1.Toleration{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}},
		},
		"pod-inline.yaml": {
			NodeSelector: map[string]string{"nfsim.io/role": "worker"}, Labels: map[string]string{"app": "server"}, Image: "nfsim.local/other:1",
			NFS: &NFSSource{Server: "192.168.127.10", Path: "/srv/nfsim/t1"}, SubPath: "sub", MountPath: "/mnt", ReadOnly: true,
			PodNetwork: true, Privileged: true, RestartPolicy: corev1.RestartPolicyNever, LivenessExec: []string{"/bin/true"}, ProbeTimeoutSeconds: 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.Name, w.Namespace = "writer", testNamespace
			pod, err := NewFor(fake.NewClientset()).WithRun(testRun).CreateWorkloadPod(testContext(t), w)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, pod)
		})
	}
}

func TestWorkloadPodIncomplete(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]WorkloadPod{
		"no name":      {Namespace: testNamespace},
		"no namespace": {Name: "w"},
		"two volumes":  {Name: "w", Namespace: testNamespace, Claim: "data", NFS: &NFSSource{}},
	} {
		api := fake.NewClientset()
		if _, err := NewFor(api).CreateWorkloadPod(testContext(t), w); err == nil || len(api.Actions()) != 0 {
			t.Errorf("%s: %v after %d requests, want an error before the first", name, err, len(api.Actions()))
		}
	}
}

func TestWorkloadImageIsTheOneInTheLab(t *testing.T) {
	t.Parallel()
	if WorkloadImage != cluster.WorkloadImage {
		t.Errorf("pods run %s, workers have %s", WorkloadImage, cluster.WorkloadImage)
	}
}
