package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// tidy removes what a run that was killed left on a lab that has no ready
// state to go back to: pods and volumes, mounts, exports.
func (e *executor) tidy(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, cleanUpTimeout, fmt.Errorf("not done within %s", cleanUpTimeout))
	defer cancel()
	e.progress.Say("remove what run %s left", id)
	if err := e.removeShares(ctx, id); err != nil {
		return err
	}
	if err := e.tidyCluster(ctx, id); err != nil {
		return fmt.Errorf("remove what run %s left in the cluster: %w", id, err)
	}
	var errs []error
	for _, m := range lab.Workers(e.lab) {
		errs = append(errs, e.tidyMounts(ctx, m, id))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the mounts that run %s left: %w", id, err)
	}
	server, err := e.lab.Node(ctx, lab.ServerOf(e.lab).Name)
	if err != nil {
		return err
	}
	left, err := nfs.LeftExports(ctx, server, id, e.exportRoot())
	if err != nil {
		return err
	}
	return left.Remove(ctx, server, true)
}

func (e *executor) tidyCluster(ctx context.Context, id string) error {
	client, err := e.apiServer(ctx)
	if err != nil {
		return err
	}
	return client.WithRun(id).Cleanup(ctx, kube.CleanupOptions{Namespace: scenarios.Namespace(id), Namespaces: true})
}

// tidyMounts unmounts a run's exports from below nfs.MountRoot; those of its
// pods went with them.
func (e *executor) tidyMounts(ctx context.Context, m lab.Machine, id string) error {
	node, err := e.lab.Node(ctx, m.Name)
	if err != nil {
		return err
	}
	mounts, err := nfs.Mounts(ctx, node)
	if err != nil {
		return err
	}
	var targets []string
	for _, mount := range mounts {
		if mount.IsNFS() && strings.HasPrefix(mount.Mountpoint, nfs.MountRoot+"/") && strings.Contains(mount.Source, ":"+e.exportRoot()+"/"+id+"/") {
			targets = append(targets, mount.Mountpoint)
		}
	}
	if len(targets) == 0 {
		return nil
	}
	_, err = nfs.Mounter{}.UnmountAll(ctx, node, targets, nfs.UnmountPlan{})
	return err
}
