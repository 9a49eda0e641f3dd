package kubebuild

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// wrapperModule is the path of the module that requires Kubernetes. It is never
// published.
const wrapperModule = "nfsim.local/wrapper"

// wrapperGoMod returns the go.mod of a module that can build the commands of
// Kubernetes at version, made from the go.mod of Kubernetes at that version.
// Kubernetes keeps some of its modules in the same repository under staging/
// and replaces them by directories; in a dependency such replacements do not
// count, so the wrapper replaces them by their published versions (v0.36.3 for
// v1.36.3). The language version and the godebug settings are Kubernetes' own:
// they count in the main module only, and they change what the commands do.
func wrapperGoMod(upstream []byte, version string) ([]byte, error) {
	up, err := modfile.Parse("go.mod", upstream, nil)
	if err != nil {
		return nil, fmt.Errorf("parse go.mod of %s %s: %w", kubernetesModule, version, err)
	}
	staging, err := stagingVersion(version)
	if err != nil {
		return nil, err
	}
	w, err := newWrapper(up)
	if err != nil {
		return nil, err
	}
	for _, g := range up.Godebug {
		if err := w.AddGodebug(g.Key, g.Value); err != nil {
			return nil, err
		}
	}
	if err := w.AddRequire(kubernetesModule, version); err != nil {
		return nil, err
	}
	staged := 0
	for _, r := range up.Replace {
		newPath, newVersion := r.New.Path, r.New.Version
		if newVersion == "" {
			if path.Clean(newPath) != path.Join("staging/src", r.Old.Path) {
				return nil, fmt.Errorf("wrap %s %s: %s is replaced by %s, which is not a staging module", kubernetesModule, version, r.Old.Path, newPath)
			}
			newPath, newVersion = r.Old.Path, stagingSubstitute(r.Old.Path, staging)
			staged++
		}
		if err := module.Check(newPath, newVersion); err != nil {
			return nil, fmt.Errorf("wrap %s %s: %w", kubernetesModule, version, err)
		}
		if err := w.AddReplace(r.Old.Path, r.Old.Version, newPath, newVersion); err != nil {
			return nil, err
		}
	}
	if staged == 0 {
		return nil, fmt.Errorf("wrap %s %s: its go.mod names no staging modules", kubernetesModule, version)
	}
	w.Cleanup()
	return w.Format()
}

// etcdGoMod returns the go.mod of a module that can build etcd, made from the
// go.mod of its server. Its siblings are published, nothing is replaced.
func etcdGoMod(upstream []byte, version string) ([]byte, error) {
	up, err := modfile.Parse("go.mod", upstream, nil)
	if err != nil {
		return nil, fmt.Errorf("parse go.mod of %s %s: %w", etcdModule, version, err)
	}
	w, err := newWrapper(up)
	if err != nil {
		return nil, err
	}
	if err := w.AddRequire(etcdModule, version); err != nil {
		return nil, err
	}
	return w.Format()
}

// stagingSubstitute returns the version to take of a staging module: its own,
// unless the proxy has not got that one ("403 Forbidden: This module version is
// not available", seen on 2026-11-20 and 2026-11-26). Then it is the nearest before it.
func stagingSubstitute(path, version string) string {
	switch path + "@" + version {
	// Clients of the old in-tree cloud providers: no node of a lab is in a cloud.
	case "k8s.io/legacy-cloud-providers@v0.29.6":
		return "v0.29.5"
	// Types of the scheduler's configuration and of its extenders, which a kubelet
	// is only linked with.
	case "k8s.io/kube-scheduler@v0.31.14":
		return "v0.31.13"
	}
	return version
}

// stagingVersion is the version that the staging modules of Kubernetes are
// published under: v0.36.3 for v1.36.3.
func stagingVersion(version string) (string, error) {
	rest, ok := strings.CutPrefix(version, "v1.")
	if !ok || !semver.IsValid(version) {
		return "", fmt.Errorf("find staging modules: %q is not a version like v1.36.3", version)
	}
	return "v0." + rest, nil
}

// newWrapper returns the module itself, in the language version of upstream.
func newWrapper(up *modfile.File) (*modfile.File, error) {
	w := new(modfile.File)
	if err := w.AddModuleStmt(wrapperModule); err != nil {
		return nil, err
	}
	if up.Go != nil {
		if err := w.AddGoStmt(up.Go.Version); err != nil {
			return nil, err
		}
	}
	return w, nil
}
