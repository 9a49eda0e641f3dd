package keeper

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// restoreTimeout bounds a restore until the lab is ready; it takes some seconds.
const restoreTimeout = 3 * time.Minute

// restore starts all machines from the ready snapshot, ending those that run.
// The caller holds k.op.
func (k *keeper) restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restoreTimeout)
	defer cancel()
	begin := time.Now()
	k.killAll()
	g, gctx := errgroup.WithContext(ctx)
	for _, m := range k.spec.Machines() {
		g.Go(func() error { return k.resume(gctx, m) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, r := range k.runningMachines() {
		if err := r.Continue(ctx); err != nil {
			return k.machineError(r.Name(), "does not continue", err)
		}
	}
	k.steps.logf("machines continue after %.1f s", time.Since(begin).Seconds())
	if err := k.awaitReady(ctx, k.ready.access, begin, k.ready.leases); err != nil {
		return err
	}
	took := time.Since(begin)
	k.update(func(s *qemu.Status) {
		s.RestoreMS = took.Milliseconds()
		s.Restores++
	})
	k.steps.logf("restored until ready: %.1f s", took.Seconds())
	return nil
}

// resume starts one machine with its saved state and leaves it paused.
func (k *keeper) resume(ctx context.Context, m lab.Machine) error {
	disk := k.dir.Disk(m.Name)
	if err := os.Remove(disk); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := k.makeOverlay(ctx, entryPath(k.ready.dir, m.Name, diskFile), disk); err != nil {
		return err
	}
	if k.net.Attached(m.Name) { // a link that was cut is whole again
		if err := k.net.SetLink(m.Name, true); err != nil {
			return err
		}
	}
	cfg := k.machineConfig(m, k.ready.image)
	cfg.RAM.Path = entryPath(k.ready.dir, m.Name, ramFile)
	cfg.State, cfg.Resume = entryPath(k.ready.dir, m.Name, stateFile), true
	cfg.Disk, cfg.Seed = disk, entryPath(k.ready.dir, m.Name, seedFile)
	return k.startMachine(ctx, cfg)
}
