// Package kubebuild makes unmodified Kubernetes and etcd commands from their Go
// modules: no container registry, no download of binaries. A wrapper module
// requires k8s.io/kubernetes at the version asked for and replaces the staging
// modules as its own go.mod does, by their published versions; go build does
// the rest and the Go checksum database vouches for the sources.
//
//	dir, err := cache.Open("", cache.Options{Logf: log.Printf})
//	b := kubebuild.New(dir, kubebuild.Options{Logf: log.Printf})
//	version, err := b.Resolve(ctx, kubebuild.ControlPlane, kubebuild.Latest) // newest stable on the proxy
//	cp, err := b.Get(ctx, kubebuild.ControlPlane, version)
//	defer cp.Release()
//	upload(cp.Path("kube-apiserver"))
//
// The cache entries are
//
//	kube/control-plane-VERSION-ARCH-HASH  kube-apiserver, kube-controller-manager, kube-scheduler
//	kube/kubelet-VERSION-ARCH-HASH        kubelet
//	kube/etcd-VERSION-ARCH-HASH           etcd
//
// each with a file `build` that records how it was made. The first build of a
// version takes about five minutes on two cores for all of them; it needs the
// go command, a Go module proxy and 4 GiB for Go's own caches.
package kubebuild

import (
	"context"
	"fmt"
	"runtime"

	"github.com/nfsim/nfsim/pkg/cache"
)

// Kind is the cache kind of built commands.
const Kind = "kube"

// EtcdVersion is the version of etcd that is built for every control plane.
const EtcdVersion = "v3.6.16"

// Set is a group of commands that are built and cached together.
type Set string

// The sets.
const (
	ControlPlane Set = "control-plane" // kube-apiserver, kube-controller-manager, kube-scheduler
	Kubelet      Set = "kubelet"
	Etcd         Set = "etcd" // its only version is EtcdVersion
)

// Options are what a Builder needs besides its cache.
type Options struct {
	// Arch is the architecture of the commands as GOARCH has it; empty is the
	// host's. Any can be built on any host.
	Arch string
	// Go is the go command; empty is the one in PATH.
	Go string
	// Logf is told what takes time. Nil discards it.
	Logf func(format string, args ...any)
}

// Builder builds commands into a cache.
type Builder struct {
	dir   *cache.Dir
	arch  string
	gocmd string
	logf  func(format string, args ...any)
}

// New returns a builder that keeps what it makes in dir.
func New(dir *cache.Dir, opts Options) *Builder {
	b := &Builder{dir: dir, arch: opts.Arch, gocmd: opts.Go, logf: opts.Logf}
	if b.arch == "" {
		b.arch = runtime.GOARCH
	}
	if b.gocmd == "" {
		b.gocmd = "go"
	}
	if b.logf == nil {
		b.logf = func(string, ...any) {}
	}
	return b
}

// Commands are the built commands of one set, protected from removal until
// Release.
type Commands struct {
	Set     Set
	Version string // as in "v1.36.3"
	Arch    string // as GOARCH has it

	entry *cache.Entry
}

// Path is where a command of the set is, as Path("kubelet").
func (c *Commands) Path(command string) string { return c.entry.Path(command) }

// Names lists the commands of the set.
func (c *Commands) Names() []string { return c.Set.Names() }

// ID is a hash over the contents of the commands.
func (c *Commands) ID() string { return c.entry.Digest() }

// Release ends the protection from removal.
func (c *Commands) Release() error { return c.entry.Release() }

// Get returns the commands of a set at a version, as Resolve returns it, and
// builds them if the cache has not got them. An empty version of Etcd is
// EtcdVersion.
//
// Its error is a *NoGoError when there is no go command, a *cache.SpaceError
// when there is too little room, and a *BuildError when go build failed.
func (b *Builder) Get(ctx context.Context, set Set, version string) (*Commands, error) {
	if set == Etcd && version == "" {
		version = EtcdVersion
	}
	t, err := newTarget(set, version, b.arch)
	if err != nil {
		return nil, err
	}
	goVersion, err := b.goVersion(ctx)
	if err != nil {
		return nil, err
	}
	entry, err := b.dir.Get(ctx, Kind, t.key(goVersion), func(ctx context.Context, out string) error {
		return b.build(ctx, t, goVersion, out)
	})
	if err != nil {
		return nil, fmt.Errorf("get %s %s: %w", set, version, err)
	}
	return &Commands{Set: set, Version: version, Arch: b.arch, entry: entry}, nil
}
