package run

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
)

// FaultReach says how the faults of a lab are reached: machines over SSH, taints
// at its API server, which is asked for only when there is one to take off.
func FaultReach(l lab.Lab) fault.Reach {
	return fault.Reach{
		Nodes: l.Node,
		Untaint: func(ctx context.Context, node string, taint corev1.Taint) (string, error) {
			k, err := apiServerOf(ctx, l)
			if err != nil {
				return "", err
			}
			return untaint(ctx, k, node, taint)
		},
	}
}

// untaint takes a taint off a node and waits until it is seen to be gone. A node
// that the cluster does not know has none.
func untaint(ctx context.Context, k *kube.Client, node string, taint corev1.Taint) (evidence string, err error) {
	if err := k.Untaint(ctx, node, taint); apierrors.IsNotFound(err) {
		return fmt.Sprintf("no node %s", node), nil
	} else if err != nil {
		return "", err
	}
	_, err = k.AwaitNode(ctx, node, func(n *corev1.Node) bool { return !kube.HasTaint(n, taint) })
	return fmt.Sprintf("node %s without taint %s:%s", node, taint.Key, taint.Effect), err
}

// apiServerOf is a client of a lab's API server that is no run's.
func apiServerOf(ctx context.Context, l lab.Lab) (*kube.Client, error) {
	config, err := l.Kubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	return kube.New(config)
}
