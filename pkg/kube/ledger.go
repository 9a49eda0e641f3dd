package kube

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Ledger lists what there is of this run (of anyone, for a client without a
// run) in a namespace, or everywhere when it is empty: the categories are
// pods, pvcs and pvs, the entries sorted and free of anything that changes by
// itself. A volume belongs to the namespace of its claim.
func (c *Client) Ledger(ctx context.Context, namespace string) (map[string][]string, error) {
	objects, err := c.objects(ctx, namespace)
	if err != nil {
		return nil, err
	}
	ledger := map[string][]string{"pods": {}, "pvcs": {}, "pvs": {}}
	for _, p := range objects.pods {
		ledger["pods"] = append(ledger["pods"], fmt.Sprintf("%s/%s uid=%s node=%s%s", p.Namespace, p.Name, p.UID, p.Spec.NodeName, terminating(&p)))
	}
	for _, p := range objects.claims {
		ledger["pvcs"] = append(ledger["pvcs"], fmt.Sprintf("%s/%s phase=%s volume=%s%s", p.Namespace, p.Name, p.Status.Phase, p.Spec.VolumeName, terminating(&p)))
	}
	for _, p := range objects.volumes {
		ledger["pvs"] = append(ledger["pvs"], fmt.Sprintf("%s phase=%s policy=%s%s", p.Name, p.Status.Phase, p.Spec.PersistentVolumeReclaimPolicy, terminating(&p)))
	}
	for _, entries := range ledger {
		slices.Sort(entries)
	}
	return ledger, nil
}

func terminating(o metav1.Object) string {
	if o.GetDeletionTimestamp() != nil {
		return " terminating"
	}
	return ""
}

type objects struct {
	pods    []corev1.Pod
	claims  []corev1.PersistentVolumeClaim
	volumes []corev1.PersistentVolume
}

func (c *Client) objects(ctx context.Context, namespace string) (objects, error) {
	var o objects
	options := c.selection()
	err := try(ctx, "list pods, claims and volumes", func(ctx context.Context, _ int) error {
		pods, err := c.api.CoreV1().Pods(namespace).List(ctx, options)
		if err != nil {
			return err
		}
		claims, err := c.api.CoreV1().PersistentVolumeClaims(namespace).List(ctx, options)
		if err != nil {
			return err
		}
		volumes, err := c.api.CoreV1().PersistentVolumes().List(ctx, options)
		if err != nil {
			return err
		}
		o = objects{pods: pods.Items, claims: claims.Items, volumes: volumes.Items}
		return nil
	})
	if namespace != "" {
		o.volumes = slices.DeleteFunc(o.volumes, func(v corev1.PersistentVolume) bool {
			return v.Spec.ClaimRef == nil || v.Spec.ClaimRef.Namespace != namespace
		})
	}
	return o, err
}

func (c *Client) selection() metav1.ListOptions {
	if c.run == "" {
		return metav1.ListOptions{}
	}
	return metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{RunLabel: c.run}})}
}
