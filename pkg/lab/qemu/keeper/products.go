package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/image"
	"github.com/nfsim/nfsim/pkg/kubebuild"
	"github.com/nfsim/nfsim/pkg/lab"
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
		err = classify(err)
	}
	return p, err
}

func (k *keeper) tryProducts(ctx context.Context) (*products, error) {
	dir, err := cache.Open("", cache.Options{Logf: k.steps.logf})
	if err != nil {
		return nil, err
	}
	kube := kubebuild.New(dir, kubebuild.Options{Arch: k.qemu.Arch, Logf: k.steps.logf})
	if err := k.resolveVersions(ctx, kube); err != nil {
		return nil, err
	}
	img, err := image.Get(ctx, dir, image.Options{Debian: k.spec.Debian, Arch: k.qemu.Arch, Logf: k.steps.logf})
	if err != nil {
		return nil, err
	}
	k.release = append(k.release, img.Release)
	commands := map[kubebuild.Set]*kubebuild.Commands{}
	ids := []string{img.ID()}
	for _, want := range []struct {
		set     kubebuild.Set
		version string
	}{
		{kubebuild.ControlPlane, k.spec.Kubernetes},
		{kubebuild.Kubelet, k.spec.Kubelet},
		{kubebuild.Etcd, ""},
	} {
		c, err := kube.Get(ctx, want.set, want.version)
		if err != nil {
			return nil, err
		}
		k.release = append(k.release, c.Release)
		commands[want.set] = c
		ids = append(ids, c.ID())
	}
	helper, err := agent.Binary(k.qemu.Arch)
	if err != nil {
		return nil, err
	}
	spec := cluster.Spec{
		Kubernetes: k.spec.Kubernetes, Kubelet: k.spec.Kubelet, Debian: img.Debian, Arch: img.Arch,
		Binaries: cluster.Binaries{
			ControlPlaneDir: commands[kubebuild.ControlPlane].Path(""),
			KubeletDir:      commands[kubebuild.Kubelet].Path(""),
			EtcdDir:         commands[kubebuild.Etcd].Path(""),
		},
		AgentBinary: helper, BusyboxPath: img.Busybox(),
		LeaseSeconds: k.spec.LeaseSeconds,
	}
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

func (k *keeper) resolveVersions(ctx context.Context, kube *kubebuild.Builder) error {
	var err error
	if k.spec.Debian, err = image.ParseDebian(k.spec.Debian); err != nil {
		return err
	}
	if k.spec.Kubernetes, err = kube.Resolve(ctx, kubebuild.ControlPlane, k.spec.Kubernetes); err != nil {
		return err
	}
	if k.spec.Kubelet == "" {
		k.spec.Kubelet = k.spec.Kubernetes
	}
	if k.spec.Kubelet, err = kube.Resolve(ctx, kubebuild.Kubelet, k.spec.Kubelet); err != nil {
		return err
	}
	k.steps.logf("Debian %s, Kubernetes %s, kubelet %s", k.spec.Debian, k.spec.Kubernetes, k.spec.Kubelet)
	return kubebuild.CheckSkew(k.spec.Kubernetes, k.spec.Kubelet)
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

// classify tells what the user can change from what the host lacks.
func classify(err error) error {
	var (
		release *image.ReleaseError
		arch    *image.ArchError
		version *kubebuild.VersionError
		skew    *kubebuild.SkewError
		spec    *cluster.SpecError
		infra   *lab.InfraError
	)
	switch {
	case errors.As(err, &release), errors.As(err, &arch), errors.As(err, &version), errors.As(err, &skew), errors.As(err, &spec):
		return &lab.UsageError{What: err.Error(), Err: nil}
	case errors.As(err, &infra):
		return err
	}
	return &lab.InfraError{What: "cannot make what the machines need", Err: err}
}
