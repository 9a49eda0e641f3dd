package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/nfs"
)

// nodeCleanTimeout is how long a node gets to remove a pod's mount and
// directory. What is there after it is left behind: the ledger says so.
const nodeCleanTimeout = 60 * time.Second

// stopPods stops every pod of a cell, side by side, and removes their claim when
// they are gone. One that somebody's finalizer keeps is left: the ledger names
// it.
func (b *Batch) stopPods(ctx context.Context, k *kube.Client, c *Cell) error {
	err := atOnce(len(c.workloads), func(i int) error { return b.stopPod(ctx, k, c.workloads[i]) })
	_, _, claimErr := within(ctx, nodeCleanTimeout, func(ctx context.Context) error { return k.RemoveClaim(ctx, b.namespace(), c.Key) })
	return errors.Join(err, claimErr)
}

// stopPod deletes what startPod made and waits until the node has let go of
// it, as long as ctx allows.
func (b *Batch) stopPod(ctx context.Context, k *kube.Client, w *workload) error {
	var err error
	if w.client != nil {
		w.client.Close()
	}
	if w.arrivals != nil {
		_, err = w.arrivals.stop(ctx)
	}
	if w.pod == nil {
		return err
	}
	defer w.unfollowMounts(ctx)
	stop := waiting(ctx)
	if w.plan.controller != "" {
		err = errors.Join(err, ignoreNotFound(k.DeleteController(ctx, w.plan.controller, b.namespace(), w.base())))
	}
	_, deleteErr := k.DeletePod(ctx, b.namespace(), w.name(), nil)
	goneErr := b.leave(ctx, k, w)
	stop()
	return errors.Join(err, ignoreNotFound(deleteErr), goneErr, b.awaitNodeClean(ctx, w))
}

// ignoreNotFound takes an object that is not there for deleted.
func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// awaitNodeClean waits until the pod's directory is gone from the node. When it
// stays, the volume is unmounted by force, so that the node is of use to others:
// that it took that is noted, and part of the outcome.
func (b *Batch) awaitNodeClean(ctx context.Context, w *workload) error {
	gone, err := b.nodeClean(ctx, w)
	if err != nil || gone || w.hostMount == "" {
		return err
	}
	node, err := b.node(ctx, w.at)
	if err != nil {
		return err
	}
	for _, m := range w.mounts() {
		stop := waiting(ctx)
		report, err := nfs.Mounter{Root: kubeletPods}.Unmount(ctx, node, m.target, nfs.UnmountPlan{})
		stop()
		if err := b.mountLeft(w.cell, w.at, m.of, report, err); err != nil {
			return err
		}
	}
	gone, err = b.nodeClean(ctx, w)
	if err != nil || gone {
		return err
	}
	// A directory alone harms nobody, and the ledger names it.
	t, err := b.on(w.at).do(ctx, proto.Request{Op: proto.OpMountinfo, PID: w.pid})
	if err == nil && t.OK() {
		b.wedge(w.cell, w.at, fmt.Errorf("process %d of pod %s still runs %s after its mounts were taken away", w.pid, w.name(), nodeCleanTimeout))
	}
	return err
}

// podMount is a mount of a pod in its node's table.
type podMount struct{ target, of string }

// mounts are those of the pod that the kubelet has made, in the order in which
// they can be unmounted: a subPath's bind mount before its volume.
func (w *workload) mounts() []podMount {
	of := ""
	if w.plan.label != "" {
		of = ", " + w.plan.label
	}
	all := []podMount{{w.hostMount, of}}
	if w.subMount != "" {
		all = append([]podMount{{w.subMount, of + ", subPath"}}, all...)
	}
	return all
}

// nodeClean waits for the end of the pod's directory for nodeCleanTimeout.
func (b *Batch) nodeClean(ctx context.Context, w *workload) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, nodeCleanTimeout)
	defer cancel()
	defer waiting(ctx)()
	select {
	case err := <-b.watchGone(ctx, w, eventPodDirGone, proto.StreamSpec{Kind: proto.Name, Path: w.podDir()}, nil):
		return err == nil, err
	case <-ctx.Done():
		return false, nil
	}
}
