package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/image"
	"github.com/nfsim/nfsim/pkg/lab/product"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// products are what the machines are made of.
type products struct {
	cache   *cache.Dir
	image   *image.Image
	cluster cluster.Spec
	key     string // over all of it
}

// snapshotRecipe changes when the way a snapshot is made does.
const snapshotRecipe = "ready-3"

// makeProducts builds or finds image and commands, and computes the key of the
// ready snapshot.
func (k *keeper) makeProducts(ctx context.Context) (*products, error) {
	p, err := k.tryProducts(ctx)
	if err != nil && ctx.Err() == nil {
		err = product.Classify(err)
	}
	return p, err
}

func (k *keeper) tryProducts(ctx context.Context) (*products, error) {
	dir, err := cache.Open("", cache.Options{Logf: k.steps.logf})
	if err != nil {
		return nil, err
	}
	if err := k.resolveVersions(ctx, dir); err != nil {
		return nil, err
	}
	img, err := image.Get(ctx, dir, image.Options{Debian: k.spec.Debian, Arch: k.qemu.Arch, Logf: k.steps.logf})
	if err != nil {
		return nil, err
	}
	k.release = append(k.release, img.Release)
	made, err := product.Get(ctx, dir, k.wanted(), k.steps.logf)
	if err != nil {
		return nil, err
	}
	k.release = append(k.release, made.Release)
	ids := append([]string{img.ID()}, made.IDs...)
	spec := made.Spec
	spec.Debian, spec.BusyboxPath, spec.LeaseSeconds = img.Debian, img.Busybox(), k.spec.LeaseSeconds
	for _, m := range k.spec.Machines() {
		spec.Machines = append(spec.Machines, cluster.Machine{Name: m.Name, Role: cluster.Role(m.Role), Addr: m.Addr})
	}
	p := &products{cache: dir, image: img, cluster: spec}
	clusterKey, err := spec.Key()
	if err != nil {
		return nil, err
	}
	machines, err := json.Marshal(k.machineShapes(img.KernelArgs()))
	if err != nil {
		return nil, fmt.Errorf("encode machines: %w", err)
	}
	p.key = cache.Key(snapshotRecipe, strings.Join(ids, " "), clusterKey, k.qemu.Version, string(machines))
	k.update(func(s *qemu.Status) { s.Spec, s.ReadyKey = k.spec, p.key })
	return p, nil
}

// wanted are the commands that the spec asks for.
func (k *keeper) wanted() product.Want {
	return product.Want{Kubernetes: k.spec.Kubernetes, Kubelet: k.spec.Kubelet, Arch: k.qemu.Arch}
}

func (k *keeper) resolveVersions(ctx context.Context, dir *cache.Dir) error {
	var err error
	if k.spec.Debian, err = image.ParseDebian(k.spec.Debian); err != nil {
		return err
	}
	want, err := k.wanted().Resolve(ctx, product.Builder(dir, k.qemu.Arch, k.steps.logf))
	k.spec.Kubernetes, k.spec.Kubelet = want.Kubernetes, want.Kubelet
	k.steps.logf("Debian %s, Kubernetes %s, kubelet %s", k.spec.Debian, k.spec.Kubernetes, k.spec.Kubelet)
	return err
}

// machineShapes are the machines' command lines, without the paths: what must
// be equal for a snapshot to fit.
func (k *keeper) machineShapes(kernelArgs string) [][]string {
	var out [][]string
	for _, m := range k.spec.Machines() {
		cfg := k.machineConfig(m, imageFiles{kernel: "kernel", initrd: "initrd", args: kernelArgs})
		cfg.RAM.Path, cfg.Disk, cfg.Seed, cfg.Console = "ram", "disk", "seed", "console"
		out = append(out, cfg.Args())
	}
	return out
}
