package keeper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
	"github.com/nfsim/nfsim/pkg/lab/qemu/machine"
)

// ready is a ready snapshot: for each machine MACHINE/ram (its memory),
// MACHINE/state (its devices), MACHINE/disk.qcow2 (over the image's disk) and
// MACHINE/seed.tar; access.json with the keys of this very cluster, and leases.json
// with the versions of its nodes' leases. It is only ever read: machines map the memory privately and write to overlays.
type ready struct {
	dir    string
	image  imageFiles
	access cluster.Access
	leases map[string]string // resource versions by node
}

type imageFiles struct{ disk, kernel, initrd, args string }

// The files of a snapshot.
const (
	ramFile    = "ram"
	stateFile  = "state"
	diskFile   = "disk.qcow2"
	seedFile   = "seed.tar"
	accessFile = "access.json"
	leasesFile = "leases.json"
)

// readyKind is the cache kind of ready snapshots.
const readyKind = "ready"

// coldBootTimeout bounds a cold boot until all is ready; on two cores without
// KVM it takes about two minutes when nothing else runs.
const coldBootTimeout = 15 * time.Minute

// makeReady finds the snapshot or boots the machines cold and makes it.
func (k *keeper) makeReady(ctx context.Context, p *products) (*ready, error) {
	r := &ready{image: imageFiles{disk: p.image.Disk(), kernel: p.image.Kernel(), initrd: p.image.Initrd(), args: p.image.KernelArgs()}}
	build := func(ctx context.Context, tmp string) error {
		err := k.coldBoot(ctx, p, r.image, tmp)
		k.killAll()
		return err
	}
	if k.spec.Fresh {
		r.dir = k.dir.Ready()
		if err := os.Mkdir(r.dir, 0o700); err != nil {
			return nil, fmt.Errorf("make ready snapshot: %w", err)
		}
		if err := build(ctx, r.dir); err != nil {
			return nil, err
		}
	} else {
		name := fmt.Sprintf("%s-%s-%s-%s", k.spec.Debian, k.spec.Kubernetes, k.accel, p.key)
		entry, err := p.cache.Get(ctx, readyKind, name, build)
		if err != nil {
			return nil, err
		}
		k.release = append(k.release, entry.Release)
		r.dir = entry.Path()
	}
	err := errors.Join(r.read(accessFile, &r.access), r.read(leasesFile, &r.leases))
	if err == nil {
		err = r.protect(k.spec.Machines())
	}
	if err != nil {
		return nil, fmt.Errorf("open ready snapshot: %w", err)
	}
	return r, nil
}

func (r *ready) read(name string, out any) error {
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	return nil
}

// protect closes the snapshot to others, and gives the memory files the write
// permission without which QEMU does not open them, though it maps them
// privately.
func (r *ready) protect(machines []lab.Machine) error {
	if err := os.Chmod(r.dir, 0o700); err != nil {
		return err
	}
	for _, m := range machines {
		if err := os.Chmod(entryPath(r.dir, m.Name, ramFile), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// coldBoot boots all machines from the image, waits until the lab is ready, and
// leaves a snapshot in dir.
func (k *keeper) coldBoot(ctx context.Context, p *products, img imageFiles, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, coldBootTimeout)
	defer cancel()
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("make ready snapshot: %w", err)
	}
	if err := host.CheckDisk(dir, k.memNeedMiB()+overlayMiB); err != nil {
		return err
	}
	begin := time.Now()
	product, err := cluster.Build(p.cluster)
	if err != nil {
		return err
	}
	b, err := json.Marshal(product.Access)
	if err != nil {
		return fmt.Errorf("encode access: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, accessFile), b, 0o600); err != nil {
		return fmt.Errorf("make ready snapshot: %w", err)
	}
	// Early, so that a boot that goes wrong can be looked at from inside.
	if err := k.writeAccess(product.Access); err != nil {
		return err
	}
	for _, m := range k.spec.Machines() {
		if err := k.prepareCold(ctx, m, img, dir, product.Files[m.Name]); err != nil {
			return err
		}
	}
	k.steps.logf("booting %d machines for the first time (%s)", len(k.spec.Machines()), k.accel)
	for _, m := range k.spec.Machines() {
		cfg := k.machineConfig(m, img)
		cfg.RAM.Path, cfg.RAM.Shared = entryPath(dir, m.Name, ramFile), true
		cfg.State = entryPath(dir, m.Name, stateFile)
		cfg.Disk = entryPath(dir, m.Name, diskFile)
		cfg.Seed = entryPath(dir, m.Name, seedFile)
		if err := k.startMachine(ctx, cfg); err != nil {
			return err
		}
	}
	if err := k.awaitReady(ctx, product.Access, begin, nil); err != nil {
		return err
	}
	took := time.Since(begin)
	k.update(func(s *qemu.Status) { s.ColdBootMS = took.Milliseconds() })
	k.steps.logf("cold boot until ready: %.1f s", took.Seconds())
	if err := k.settle(ctx, product.Access); err != nil {
		return err
	}
	if err := k.saveLeases(ctx, product.Access, filepath.Join(dir, leasesFile)); err != nil {
		return err
	}
	return k.save(ctx)
}

func (k *keeper) prepareCold(ctx context.Context, m lab.Machine, img imageFiles, dir string, files []cluster.File) error {
	if err := os.Mkdir(filepath.Join(dir, m.Name), 0o700); err != nil {
		return fmt.Errorf("make ready snapshot: %w", err)
	}
	if err := writeSeed(entryPath(dir, m.Name, seedFile), files); err != nil {
		return fmt.Errorf("make seed of %s: %w", m.Name, err)
	}
	return k.makeOverlay(ctx, img.disk, entryPath(dir, m.Name, diskFile))
}

// writeSeed packs a machine's files into the tar that its image unpacks.
func writeSeed(path string, files []cluster.File) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(cluster.WriteTar(w, files), w.Flush(), padToSector(f), f.Close())
}

// padToSector rounds a file up to what a disk can have: 512 bytes.
func padToSector(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Truncate((st.Size() + 511) / 512 * 512)
}

// save freezes all machines before it saves any, so that no machine's snapshot
// holds an answer to what another's has not asked yet.
func (k *keeper) save(ctx context.Context) error {
	begin := time.Now()
	machines := k.runningMachines()
	if err := eachMachine(ctx, machines, (*machine.Machine).Pause); err != nil {
		return err
	}
	if err := eachMachine(ctx, machines, (*machine.Machine).Save); err != nil {
		return err
	}
	for _, m := range machines {
		m.stop()
	}
	if err := eachMachine(ctx, machines, (*machine.Machine).Quit); err != nil {
		return err
	}
	k.steps.logf("ready snapshot saved: %.1f s", time.Since(begin).Seconds())
	return nil
}

func eachMachine(ctx context.Context, machines []*running, do func(*machine.Machine, context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range machines {
		g.Go(func() error { return do(m.Machine, ctx) })
	}
	return g.Wait()
}
