package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cenkalti/backoff/v4"
)

// CleanupOptions say what Cleanup removes and how far it goes.
type CleanupOptions struct {
	Namespace string // only this namespace and the volumes claimed from it; empty: all of the run
	Force     bool   // pods with grace 0; their containers may outlive them
	// Namespaces removes the run's namespaces too, once they are empty.
	Namespaces bool
}

// Cleanup removes what this run made, in the order that clean-up by hand
// follows: taints that have the run's ID as their value, pods, claims, volumes,
// namespaces; each kind is gone before the next is touched. Finalizers are left
// to those who set them. When ctx ends first the error is an *AwaitError that
// lists what is left. A client without a run is refused.
func (c *Client) Cleanup(ctx context.Context, o CleanupOptions) error {
	if c.run == "" {
		return errors.New("clean up: this client has no run")
	}
	return errors.Join(
		c.untaintRun(ctx),
		c.sweep(ctx, "pods", func(ctx context.Context) ([]target, error) { return c.podTargets(ctx, o) }),
		c.sweep(ctx, "claims", func(ctx context.Context) ([]target, error) { return c.claimTargets(ctx, o) }),
		c.sweep(ctx, "volumes", func(ctx context.Context) ([]target, error) { return c.volumeTargets(ctx, o) }),
		c.sweep(ctx, "namespaces", func(ctx context.Context) ([]target, error) { return c.namespaceTargets(ctx, o) }),
	)
}

// target is an object that has to go.
type target struct {
	name   string
	leaves bool // deletion was asked for already
	remove func(ctx context.Context) error
}

// longestSweepPause bounds the pause between two looks at what is left.
const longestSweepPause = time.Second

// sweep deletes what list gives, and looks again until it gives nothing.
func (c *Client) sweep(ctx context.Context, kind string, list func(context.Context) ([]target, error)) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.MaxElapsedTime = firstPause, longestSweepPause, 0
	var targets []target
	for {
		err := try(ctx, "list "+kind+" to clean up", func(ctx context.Context, _ int) error {
			now, err := list(ctx)
			if err == nil {
				targets = now
			}
			return err
		})
		if err != nil {
			return leftover(kind, targets, err)
		}
		if len(targets) == 0 {
			return nil
		}
		for _, t := range targets {
			if t.leaves {
				continue
			}
			err := try(ctx, "delete "+t.name, func(ctx context.Context, _ int) error { return t.remove(ctx) })
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				return err
			}
		}
		if !pauseFor(ctx, pause.NextBackOff()) {
			return leftover(kind, targets, ctx.Err())
		}
	}
}

// leftover says what was there when sweep last looked.
func leftover(kind string, targets []target, err error) error {
	if len(targets) == 0 {
		return err
	}
	var left []string
	for _, t := range targets {
		left = append(left, t.name)
	}
	slices.Sort(left)
	return &AwaitError{What: "all " + kind + " of the run to be gone", Last: strings.Join(left, ", ") + " left", Err: err}
}

func (c *Client) podTargets(ctx context.Context, o CleanupOptions) ([]target, error) {
	pods, err := c.api.CoreV1().Pods(o.Namespace).List(ctx, c.selection())
	if err != nil {
		return nil, err
	}
	var grace *int64
	if o.Force {
		grace = new(int64)
	}
	var out []target
	for _, p := range pods.Items {
		out = append(out, target{
			name: fmt.Sprintf("pod %s/%s", p.Namespace, p.Name),
			// A pod that leaves slowly is asked again when force is wanted.
			leaves: p.DeletionTimestamp != nil && !o.Force,
			remove: func(ctx context.Context) error {
				return c.api.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, deletion(&p, grace))
			},
		})
	}
	return out, nil
}

func (c *Client) claimTargets(ctx context.Context, o CleanupOptions) ([]target, error) {
	claims, err := c.api.CoreV1().PersistentVolumeClaims(o.Namespace).List(ctx, c.selection())
	if err != nil {
		return nil, err
	}
	var out []target
	for _, p := range claims.Items {
		out = append(out, target{
			name:   fmt.Sprintf("claim %s/%s", p.Namespace, p.Name),
			leaves: p.DeletionTimestamp != nil,
			remove: func(ctx context.Context) error {
				return c.api.CoreV1().PersistentVolumeClaims(p.Namespace).Delete(ctx, p.Name, deletion(&p, nil))
			},
		})
	}
	return out, nil
}

func (c *Client) volumeTargets(ctx context.Context, o CleanupOptions) ([]target, error) {
	volumes, err := c.api.CoreV1().PersistentVolumes().List(ctx, c.selection())
	if err != nil {
		return nil, err
	}
	var out []target
	for _, p := range volumes.Items {
		if o.Namespace != "" && (p.Spec.ClaimRef == nil || p.Spec.ClaimRef.Namespace != o.Namespace) {
			continue
		}
		out = append(out, target{
			name:   "volume " + p.Name,
			leaves: p.DeletionTimestamp != nil,
			remove: func(ctx context.Context) error {
				return c.api.CoreV1().PersistentVolumes().Delete(ctx, p.Name, deletion(&p, nil))
			},
		})
	}
	return out, nil
}

func (c *Client) namespaceTargets(ctx context.Context, o CleanupOptions) ([]target, error) {
	if !o.Namespaces {
		return nil, nil
	}
	namespaces, err := c.api.CoreV1().Namespaces().List(ctx, c.selection())
	if err != nil {
		return nil, err
	}
	var out []target
	for _, n := range namespaces.Items {
		if o.Namespace != "" && n.Name != o.Namespace {
			continue
		}
		out = append(out, target{
			name:   "namespace " + n.Name,
			leaves: n.DeletionTimestamp != nil || n.Status.Phase == corev1.NamespaceTerminating,
			remove: func(ctx context.Context) error {
				return c.api.CoreV1().Namespaces().Delete(ctx, n.Name, deletion(&n, nil))
			},
		})
	}
	return out, nil
}

// deletion names the very object that was listed, so that a new one of the
// same name is not hit.
func deletion(o metav1.Object, grace *int64) metav1.DeleteOptions {
	uid := o.GetUID()
	options := metav1.DeleteOptions{GracePeriodSeconds: grace}
	if uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	return options
}
