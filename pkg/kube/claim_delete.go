package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeleteClaim asks for a claim's deletion and does not wait for it. A claim that
// a pod uses stays until that pod is gone: its finalizer
// kubernetes.io/pvc-protection keeps it.
func (c *Client) DeleteClaim(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	op := fmt.Sprintf("delete claim %s/%s", namespace, name)
	api := c.api.CoreV1().PersistentVolumeClaims(namespace)
	if err := remove(ctx, op, func(ctx context.Context) error { return api.Delete(ctx, name, metav1.DeleteOptions{}) }); err != nil {
		return nil, err
	}
	var left *corev1.PersistentVolumeClaim
	err := try(ctx, op, func(ctx context.Context, _ int) error {
		var err error
		left, err = api.Get(ctx, name, metav1.GetOptions{})
		return err
	})
	return left, err
}
