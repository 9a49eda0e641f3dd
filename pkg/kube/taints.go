package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Taint puts a taint on a node; one that is there already is no error. The API
// server refuses one whose key and effect somebody else's has, with another value.
func (c *Client) Taint(ctx context.Context, node string, taint corev1.Taint) error {
	return c.changeTaints(ctx, fmt.Sprintf("taint node %s with %s", node, taint.Key), node, func(taints []corev1.Taint) []corev1.Taint {
		if slices.ContainsFunc(taints, same(taint)) {
			return taints
		}
		return append(taints, taint)
	})
}

// Untaint takes a taint off a node; one that is not there is no error, and one
// with another value is somebody else's and stays.
func (c *Client) Untaint(ctx context.Context, node string, taint corev1.Taint) error {
	return c.changeTaints(ctx, fmt.Sprintf("take the taint %s off node %s", taint.Key, node), node, func(taints []corev1.Taint) []corev1.Taint {
		return slices.DeleteFunc(taints, same(taint))
	})
}

// HasTaint says whether a node has a taint.
func HasTaint(node *corev1.Node, taint corev1.Taint) bool {
	return slices.ContainsFunc(node.Spec.Taints, same(taint))
}

// untaintRun takes every taint off every node whose value is the run's ID.
func (c *Client) untaintRun(ctx context.Context) error {
	var nodes *corev1.NodeList
	err := try(ctx, "list nodes with a taint of the run", func(ctx context.Context, _ int) (err error) {
		nodes, err = c.api.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, node := range nodes.Items {
		for _, taint := range node.Spec.Taints {
			if taint.Value == c.run {
				errs = append(errs, c.Untaint(ctx, node.Name, taint))
			}
		}
	}
	return errors.Join(errs...)
}

// same matches taints of one key, effect and value.
func same(taint corev1.Taint) func(corev1.Taint) bool {
	return func(t corev1.Taint) bool { return taint.MatchTaint(&t) && taint.Value == t.Value }
}

// changeTaints reads, changes and writes a node's taints until nobody else has
// written in between.
func (c *Client) changeTaints(ctx context.Context, op, name string, change func([]corev1.Taint) []corev1.Taint) error {
	api := c.api.CoreV1().Nodes()
	return try(ctx, op, func(ctx context.Context, _ int) error {
		node, err := api.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Spec.Taints = change(node.Spec.Taints)
		_, err = api.Update(ctx, node, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			return &againError{err: err}
		}
		return err
	})
}

// AwaitNode waits until the node is as cond wants it. When ctx ends first the
// error is an *AwaitError with the node's Ready condition.
func (c *Client) AwaitNode(ctx context.Context, name string, cond func(*corev1.Node) bool) (*corev1.Node, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	last := ""
	for e := range c.WatchNodes(watching) {
		switch {
		case e.Kind == Gap:
			last = gapReason(e.Err, last)
		case e.Object == nil || e.Object.Name != name || e.Gone():
		case cond(e.Object):
			return e.Object, nil
		default:
			ready := NodeCondition(e.Object, corev1.NodeReady)
			last = fmt.Sprintf("Ready=%s (%s)", ready.Status, ready.Reason)
		}
	}
	return nil, &AwaitError{What: "node " + name, Last: last, Err: ctx.Err()}
}
