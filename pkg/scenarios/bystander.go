package scenarios

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/kube"
)

// bystander is a pod without a volume on Target: that it starts shows that its
// kubelet works, and not only answers.
type bystander struct {
	name string
	pod  *corev1.Pod // nil: never asked for
}

// start asks for the pod, unless that was done before, and waits until it runs.
func (y *bystander) start(ctx context.Context, b *Batch, k *kube.Client) error {
	if y.pod == nil {
		grace := int64(1)
		pod, err := k.CreateWorkloadPod(ctx, kube.WorkloadPod{
			Name: y.name, Namespace: b.namespace(), Node: b.Target.Name, Args: []string{"pause"}, TerminationGracePeriodSeconds: &grace,
		})
		if err != nil {
			return err
		}
		y.pod = pod
	}
	end := awaiting(ctx, awaitPodRunning, b.Target.Name, y.name)
	_, err := k.AwaitPod(ctx, b.namespace(), y.name, kube.PodRunning)
	end(err)
	return err
}

// remove deletes the pod and waits until it is gone.
func (y *bystander) remove(ctx context.Context, b *Batch, k *kube.Client) error {
	if y.pod == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, nodeCleanTimeout)
	defer cancel()
	defer waiting(ctx)()
	if _, err := k.DeletePod(ctx, b.namespace(), y.name, nil); err != nil {
		return ignoreNotFound(err)
	}
	_, err := k.AwaitPodGone(ctx, b.namespace(), y.name, y.pod.UID)
	return err
}
