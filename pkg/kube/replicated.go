package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Controller is a kind of object that keeps one pod running.
type Controller string

// The kinds of controllers. A Deployment replaces a pod as soon as that is to
// go; a StatefulSet only when it is gone.
const (
	Deployment  Controller = "Deployment"
	StatefulSet Controller = "StatefulSet"
)

// ControllerLabel marks the pods of a controller; its value is the controller's
// name.
const ControllerLabel = "nfsim.io/controller"

// CreateController makes a controller of the name of w that keeps one such pod
// running; w.Node must be empty, as its pods are the scheduler's to place.
func (c *Client) CreateController(ctx context.Context, kind Controller, w WorkloadPod) error {
	if w.Node != "" {
		return fmt.Errorf("make %s %s/%s: its pods cannot be put on node %s", kind, w.Namespace, w.Name, w.Node)
	}
	pod := c.workloadPod(w)
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[ControllerLabel] = w.Name
	one := int32(1)
	meta := metav1.ObjectMeta{Name: w.Name, Namespace: w.Namespace, Labels: c.labels(nil)}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{ControllerLabel: w.Name}}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}
	op := fmt.Sprintf("make %s %s/%s", kind, w.Namespace, w.Name)
	apps := c.api.AppsV1()
	var err error
	switch kind {
	case Deployment:
		api := apps.Deployments(w.Namespace)
		_, err = create(ctx, c, op, w.Name, api.Get, func(ctx context.Context) (*appsv1.Deployment, error) {
			return api.Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: selector, Template: template}}, metav1.CreateOptions{})
		})
	case StatefulSet:
		api := apps.StatefulSets(w.Namespace)
		_, err = create(ctx, c, op, w.Name, api.Get, func(ctx context.Context) (*appsv1.StatefulSet, error) {
			return api.Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &one, Selector: selector, Template: template, ServiceName: w.Name}}, metav1.CreateOptions{})
		})
	default:
		err = fmt.Errorf("%s: no such kind", op)
	}
	return err
}

// DeleteController deletes a controller and leaves its pods to the garbage
// collector.
func (c *Client) DeleteController(ctx context.Context, kind Controller, namespace, name string) error {
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	op := fmt.Sprintf("delete %s %s/%s", kind, namespace, name)
	return remove(ctx, op, func(ctx context.Context) error {
		if kind == StatefulSet {
			return c.api.AppsV1().StatefulSets(namespace).Delete(ctx, name, options)
		}
		return c.api.AppsV1().Deployments(namespace).Delete(ctx, name, options)
	})
}

// AwaitControlled waits until a pod of a controller is as cond wants it. When
// ctx ends first the error is an *AwaitError with how the last of its pods stood.
func (c *Client) AwaitControlled(ctx context.Context, namespace, controller string, cond func(*corev1.Pod) bool) (*corev1.Pod, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	last := ""
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{ControllerLabel: controller}})
	for e := range c.watchPods(watching, namespace, metav1.ListOptions{LabelSelector: selector}) {
		switch {
		case e.Kind == Gap:
			last = gapReason(e.Err, last)
		case e.Object == nil || e.Gone() || e.Object.Labels[ControllerLabel] != controller:
		case cond(e.Object):
			return e.Object, nil
		default:
			last = describe(e.Object)
		}
	}
	return nil, &AwaitError{What: fmt.Sprintf("a pod of %s/%s", namespace, controller), Last: last, Err: ctx.Err()}
}
