package labtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
)

// clusterNodes looks whether the kubeconfig works from here and every worker
// is a Ready node.
func clusterNodes(ctx context.Context, l lab.Lab) error {
	client, err := client(ctx, l)
	if err != nil {
		return err
	}
	list, err := client.API().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ready := map[string]corev1.ConditionStatus{}
	for i := range list.Items {
		n := &list.Items[i]
		ready[n.Name] = kube.NodeCondition(n, corev1.NodeReady).Status
	}
	var errs []error
	for _, m := range lab.Workers(l) {
		if ready[m.Name] != corev1.ConditionTrue {
			errs = append(errs, fmt.Errorf("worker %s is not a Ready node of the cluster: %v", m.Name, ready))
		}
	}
	return errors.Join(errs...)
}

func client(ctx context.Context, l lab.Lab) (*kube.Client, error) {
	config, err := l.Kubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	client, err := kube.New(config)
	if err != nil {
		return nil, err
	}
	return client, client.Ready(ctx)
}

// awaitNodes waits until all workers have shown that they live.
func awaitNodes(ctx context.Context, l lab.Lab) error {
	client, err := client(ctx, l)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range lab.Workers(l) {
		names = append(names, m.Name)
	}
	return client.AwaitNodesReady(ctx, names, time.Time{})
}
