package kubebuild

import (
	"fmt"
	"path"
	"strings"

	"github.com/nfsim/nfsim/pkg/cache"
	"golang.org/x/mod/semver"
)

const (
	// recipeVersion is part of the keys. It changes when this package builds
	// something else for the same version.
	recipeVersion = "1"

	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
)

// target is what one build makes.
type target struct {
	set     Set
	version string
	arch    string
}

func newTarget(set Set, version, arch string) (target, error) {
	if len(set.packages()) == 0 {
		return target{}, fmt.Errorf("build commands: unknown set %q", set)
	}
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return target{}, fmt.Errorf("build %s: %q is not a version like v1.36.3", set, version)
	}
	return target{set: set, version: version, arch: arch}, nil
}

// module is the Go module that has the set's packages.
func (s Set) module() string {
	if s == Etcd {
		return etcdModule
	}
	return kubernetesModule
}

// packages lists the packages of the set's commands.
func (s Set) packages() []string {
	switch s {
	case ControlPlane:
		return []string{
			kubernetesModule + "/cmd/kube-apiserver",
			kubernetesModule + "/cmd/kube-controller-manager",
			kubernetesModule + "/cmd/kube-scheduler",
		}
	case Kubelet:
		return []string{kubernetesModule + "/cmd/kubelet"}
	case Etcd:
		return []string{etcdModule}
	}
	return nil
}

// Names lists the commands of the set.
func (s Set) Names() []string {
	if s == Etcd {
		return []string{"etcd"}
	}
	var names []string
	for _, pkg := range s.packages() {
		names = append(names, path.Base(pkg))
	}
	return names
}

// key is the cache key, made of everything that decides the commands' bytes.
func (t target) key(goVersion string) string {
	inputs := append([]string{"kubebuild", recipeVersion, t.version, t.arch, goVersion}, t.set.packages()...)
	return fmt.Sprintf("%s-%s-%s-%s", t.set, t.version, t.arch, cache.Key(inputs...))
}

// ldflags are the linker's flags: no symbol table, and the version where the
// upstream build script stamps it (hack/lib/version.sh in Kubernetes). etcd has
// its version as a constant.
func (t target) ldflags() string {
	flags := []string{"-s", "-w"}
	if t.set == Etcd {
		return strings.Join(flags, " ")
	}
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(t.version), "v"), ".")
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, kv := range [][2]string{
			{"gitVersion", t.version},
			{"gitMajor", major},
			{"gitMinor", minor},
			{"gitTreeState", "clean"},
			{"gitCommit", "unknown"},
		} {
			flags = append(flags, fmt.Sprintf("-X %s.%s=%s", pkg, kv[0], kv[1]))
		}
	}
	return strings.Join(flags, " ")
}
