package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// cleanUpTimeout bounds removing what the run made, also after an interrupt.
const cleanUpTimeout = 2 * time.Minute

// cellKey names the i-th cell of a batch in paths and Kubernetes names.
func cellKey(b Batch, i int) string { return fmt.Sprintf("%s-%d", b.ID, i+1) }

// exportRoot is the server's directory that the run's exports lie below.
func (e *executor) exportRoot() string {
	return cmp.Or(lab.ServerOf(e.lab).ExportRoot, nfs.ExportRoot)
}

// exportOf is the directory of the i-th cell of a batch.
func (e *executor) exportOf(b Batch, i int) nfs.Export {
	runID := e.run.Meta().ID
	options := b.Profiles[i].Export
	if options == "" {
		options = nfs.DefaultExport
	}
	return nfs.Export{
		Path:    e.exportRoot() + "/" + runID + "/" + cellKey(b, i),
		Options: options,
		FSID:    nfs.NewFSID(runID, cellKey(b, i)),
	}
}

// exports are those of the whole plan.
func (e *executor) exports() nfs.ExportSet {
	set := nfs.ExportSet{Name: e.run.Meta().ID, Root: e.exportRoot()}
	for _, b := range e.plan.Batches {
		if e.notApplicable(b) != "" {
			continue
		}
		for i := range b.Profiles {
			set.Exports = append(set.Exports, e.exportOf(b, i))
		}
	}
	return set
}

// export exports every cell's directory at once, before anything is mounted.
func (e *executor) export(ctx context.Context) error {
	node, err := e.lab.Node(ctx, lab.ServerOf(e.lab).Name)
	if err != nil {
		return err
	}
	return e.exports().Add(ctx, node)
}

// cleanUp removes what the run made on the API server, the workers and the NFS
// server.
func (e *executor) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	var err error
	if e.usedCluster.Load() {
		if e.plan.hasShares() {
			err = e.removeShares(ctx, e.run.Meta().ID)
		}
		k, kubeErr := e.kube(ctx)
		if kubeErr == nil {
			kubeErr = k.Cleanup(ctx, kube.CleanupOptions{Namespace: scenarios.Namespace(e.run.Meta().ID), Namespaces: true})
		}
		err = errors.Join(err, kubeErr)
		// Only now does no pod run it any more.
		e.takeShareImageAway(ctx)
	}
	for _, m := range lab.Workers(e.lab) {
		err = errors.Join(err, e.removeMountRoot(ctx, m))
	}
	return errors.Join(err, e.unexport(ctx))
}

// removeMountRoot removes what the run's mounts were made below.
func (e *executor) removeMountRoot(ctx context.Context, m lab.Machine) error {
	node, err := e.lab.Node(ctx, m.Name)
	if err != nil {
		return err
	}
	return nfs.Mounter{}.RemoveRoot(ctx, node)
}

// unexport withdraws the exports and deletes their directories.
func (e *executor) unexport(ctx context.Context) error {
	node, err := e.lab.Node(ctx, lab.ServerOf(e.lab).Name)
	if err != nil {
		return err
	}
	if err := e.exports().Remove(ctx, node, true); err != nil {
		return fmt.Errorf("remove the run's exports: %w", err)
	}
	return nil
}
