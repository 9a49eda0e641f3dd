// Package product makes the commands that a cluster's machines run: etcd, the
// control plane and the kubelet in the versions asked for, from the cache or
// built, and our own agent.
//
//	p, err := product.Get(ctx, dir, product.Want{Kubernetes: "v1.36.3", Kubelet: "v1.34.4"}, log.Printf)
//	defer p.Release()
//	spec := p.Spec // fill in the machines
package product

import (
	"cmp"
	"context"
	"errors"
	"runtime"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/kubebuild"
)

// Want says what is wanted. The zero value of a field is its default.
type Want struct {
	Kubernetes string // control plane, as "v1.36.3" or "v1.36"; "latest"; default kubebuild.DefaultVersion
	Kubelet    string // default as the control plane
	Arch       string // GOARCH of the machines; default the host's
}

// Resolve fills in the versions and checks their skew.
func (w Want) Resolve(ctx context.Context, kube *kubebuild.Builder) (Want, error) {
	var err error
	if w.Kubernetes, err = kube.Resolve(ctx, kubebuild.ControlPlane, w.Kubernetes); err != nil {
		return w, err
	}
	if w.Kubelet, err = kube.Resolve(ctx, kubebuild.Kubelet, cmp.Or(w.Kubelet, w.Kubernetes)); err != nil {
		return w, err
	}
	w.Arch = cmp.Or(w.Arch, runtime.GOARCH)
	return w, kubebuild.CheckSkew(w.Kubernetes, w.Kubelet)
}

// Products are the commands, protected from removal until Release.
type Products struct {
	// Spec has versions, architecture, binaries and agent filled in; machines
	// and all else are the caller's.
	Spec cluster.Spec
	// IDs are hashes over the content of the commands, for keys.
	IDs []string

	release []func() error
}

// Builder is what builds Kubernetes commands for an architecture.
func Builder(dir *cache.Dir, arch string, logf func(format string, args ...any)) *kubebuild.Builder {
	return kubebuild.New(dir, kubebuild.Options{Arch: arch, Logf: logf})
}

// Get makes the commands or takes them from the cache. The error is for
// Classify.
func Get(ctx context.Context, dir *cache.Dir, want Want, logf func(format string, args ...any)) (*Products, error) {
	want.Arch = cmp.Or(want.Arch, runtime.GOARCH)
	kube := Builder(dir, want.Arch, logf)
	want, err := want.Resolve(ctx, kube)
	if err != nil {
		return nil, err
	}
	p := &Products{}
	get := func(set kubebuild.Set, version string) (path string) {
		if err != nil {
			return ""
		}
		var c *kubebuild.Commands
		if c, err = kube.Get(ctx, set, version); err != nil {
			return ""
		}
		p.release = append(p.release, c.Release)
		p.IDs = append(p.IDs, c.ID())
		return c.Path("")
	}
	binaries := cluster.Binaries{
		ControlPlaneDir: get(kubebuild.ControlPlane, want.Kubernetes),
		KubeletDir:      get(kubebuild.Kubelet, want.Kubelet),
		EtcdDir:         get(kubebuild.Etcd, ""),
	}
	if err != nil {
		return nil, errors.Join(err, p.Release())
	}
	helper, err := agent.Binary(want.Arch)
	if err != nil {
		return nil, errors.Join(err, p.Release())
	}
	p.Spec = cluster.Spec{
		Kubernetes: want.Kubernetes, Kubelet: want.Kubelet, Arch: want.Arch,
		Binaries: binaries, AgentBinary: helper,
	}
	return p, nil
}

// Release ends the protection from removal.
func (p *Products) Release() error {
	var err error
	for _, f := range p.release {
		err = errors.Join(err, f())
	}
	return err
}
