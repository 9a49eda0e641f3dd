package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// coarseDeadman is after how long the server takes the file system away by
// itself: well beyond what is done on it, in a full run, too.
const coarseDeadman = 30 * time.Minute

// Facts of a trial about the file system of whole seconds.
const (
	factCoarse   = "coarse_fs"             // what stat(2) said on it: ctimes in seconds
	factNoCoarse = "coarse_fs_unavailable" // why the server cannot have one
)

// coarseDir is where the batch's file system of whole seconds is mounted on the
// server: beside the cells' directories, so that what cleans up after a run that
// was killed knows the cells' mounts of it for the run's.
func (b *Batch) coarseDir() string { return path.Dir(b.Cells[0].Export.Path) + "/" + b.ID + "-coarse" }

// coarsePlace is a cell's directory on it.
func (b *Batch) coarsePlace(c *Cell) place {
	return place{exported: b.coarseDir() + "/" + c.Key, mounted: c.mountPoint() + "-coarse"}
}

// coarseFS is the batch's file system of whole seconds, with a directory of
// each cell.
func (b *Batch) coarseFS() nfs.CoarseFS {
	fs := nfs.CoarseFS{Dir: b.coarseDir(), Exports: nfs.ExportSet{
		Name: b.RunID + "-" + b.ID, Root: path.Dir(b.coarseDir()),
	}}
	for _, c := range b.live() {
		fs.Exports.Exports = append(fs.Exports.Exports, nfs.Export{
			Path: b.coarsePlace(c).exported, Options: c.Export.Options, FSID: nfs.NewFSID(b.RunID, c.Key, "coarse"),
		})
	}
	return fs
}

// withCoarsePlaces gives every cell a second export that lies on a file system
// whose timestamps are whole seconds, mounted on both workers with the cell's
// options, for as long as body runs. On a server that cannot have one body does
// not run, and the cells' facts say why. It changes the export table, so that
// nobody else may be mounting meanwhile.
func (b *Batch) withCoarsePlaces(ctx context.Context, body func(ctx context.Context) error) (err error) {
	b.Phase("make a file system of whole seconds")
	fs := b.coarseFS()
	sw, err := fs.Switch()
	if err != nil {
		return err
	}
	spec := b.lastingBeyondPauses(fault.Spec{
		Name: "coarse-fs", Machine: b.server().Name, Deadman: coarseDeadman,
		Inject: sw.Inject, Undo: sw.Undo, Prove: sw.Prove, ProveUndone: sw.ProveUndone,
	})
	end := injecting(ctx, spec)
	stop := waiting(ctx)
	made, err := b.Injector.Inject(ctx, spec)
	stop()
	end(err)
	if why, ok := coarseUnavailable(err); ok {
		for _, c := range b.live() {
			c.Trial.SetFact(factNoCoarse, why)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("make a file system of whole seconds: %w", err)
	}
	defer func() {
		defer waiting(ctx)()
		end := healing(ctx, spec)
		healed := made.Heal(ctx)
		end(healed)
		err = errors.Join(err, healed)
	}()
	for _, c := range b.live() {
		p := b.coarsePlace(c)
		c.own(p.exported, p.mounted)
		c.Trial.SetFact(factCoarse, made.Record().Proof)
	}
	server, err := b.node(ctx, b.server())
	if err != nil {
		return err
	}
	stop = waiting(ctx)
	err = fs.Exports.Add(ctx, server)
	stop()
	if err != nil {
		return err
	}
	for _, c := range b.live() {
		note(withScribe(ctx, c), rundir.Step{Do: rundir.DoExport, Machine: server.Name(), Path: b.coarsePlace(c).exported, Options: c.Export.Options})
	}
	workers := []lab.Machine{b.Target, b.Other}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
		defer cancel()
		err = errors.Join(err, atOnce(len(workers), func(i int) error { return b.unmountPlaces(last, workers[i], b.coarsePlace) }))
	}()
	cells := b.live()
	if err := atOnce(len(workers), func(i int) error { return b.mountPlaces(ctx, workers[i], cells, b.coarsePlace) }); err != nil {
		return err
	}
	return body(ctx)
}

// coarseUnavailable says why the server cannot have a file system of whole
// seconds; ok is false for any other error, and for none.
func coarseUnavailable(err error) (why string, ok bool) {
	var failed *fault.InjectError
	var exit *sshnode.ExitError
	if !errors.As(err, &failed) || failed.Undo != nil || !errors.As(failed.Err, &exit) || exit.Result.ExitStatus != nfs.CoarseFSUnavailable {
		return "", false
	}
	return strings.Join(strings.Fields(string(exit.Result.Stderr)), " "), true
}
