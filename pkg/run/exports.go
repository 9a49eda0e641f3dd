package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
)

// withdrawTimeout bounds removing the exports at the end, also after an
// interrupt.
const withdrawTimeout = 2 * time.Minute

// cellKey names the i-th cell of a batch in paths and Kubernetes names.
func cellKey(b Batch, i int) string { return fmt.Sprintf("%s-%d", b.ID, i+1) }

// exportOf is the directory of the i-th cell of a batch.
func exportOf(runID string, b Batch, i int) nfs.Export {
	options := b.Profiles[i].Export
	if options == "" {
		options = nfs.DefaultExport
	}
	return nfs.Export{
		Path:    nfs.ExportRoot + "/" + runID + "/" + cellKey(b, i),
		Options: options,
		FSID:    nfs.NewFSID(runID, cellKey(b, i)),
	}
}

// exports are those of the whole plan.
func (e *executor) exports() nfs.ExportSet {
	set := nfs.ExportSet{Name: e.run.Meta().ID}
	for _, b := range e.plan.Batches {
		for i := range b.Profiles {
			set.Exports = append(set.Exports, exportOf(set.Name, b, i))
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

// unexport withdraws the exports and deletes their directories.
func (e *executor) unexport(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	node, err := e.lab.Node(ctx, lab.ServerOf(e.lab).Name)
	if err != nil {
		return err
	}
	if err := e.exports().Remove(ctx, node, true); err != nil {
		return errors.Join(errors.New("the run's exports could not be removed"), err)
	}
	return nil
}
