package kube

import (
	"context"
	"fmt"
	"slices"

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

// RemoveClaim deletes a claim of this run and waits until it is gone, then its
// volume, whose policy may be to stay. What is not there is no error; when ctx
// ends first it is an *AwaitError.
func (c *Client) RemoveClaim(ctx context.Context, namespace, name string) error {
	o := CleanupOptions{Namespace: namespace}
	only := func(what string, list func(context.Context, CleanupOptions) ([]target, error)) func(context.Context) ([]target, error) {
		return func(ctx context.Context) ([]target, error) {
			all, err := list(ctx, o)
			return slices.DeleteFunc(all, func(t target) bool { return t.name != what }), err
		}
	}
	if err := c.sweep(ctx, "claims", only(fmt.Sprintf("claim %s/%s", namespace, name), c.claimTargets)); err != nil {
		return err
	}
	return c.sweep(ctx, "volumes", only("volume "+NFSClaim{Namespace: namespace, Name: name}.volumeName(), c.volumeTargets))
}
