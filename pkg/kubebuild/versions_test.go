package kubebuild

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/semver"
)

// listed is what the proxy answered on 2026-11-20.
const listed = "k8s.io/kubernetes v1.13.0 v1.29.6 v1.30.4 v1.30.14 v1.31.0 v1.31.14 v1.32.2 v1.32.13 v1.33.6 v1.33.13 v1.34.0 v1.34.2 v1.34.3 v1.34.4 v1.35.4 v1.36.1 v1.36.3\n"

func TestParseVersions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string
	}{
		"nothing":     {"k8s.io/kubernetes\n", nil},
		"unordered":   {"k8s.io/kubernetes v1.30.14 v1.30.4", []string{"v1.30.4", "v1.30.14"}},
		"prereleases": {"k8s.io/kubernetes v1.36.3 v1.37.0-rc.1 v1.37.0-alpha.0", []string{"v1.36.3"}},
		"too old":     {"k8s.io/kubernetes v1.13.0 v1.29.5 v1.29.6", []string{"v1.29.6"}},
		"odd":         {"k8s.io/kubernetes v1 1.36.3 v2.0.0+incompatible", nil},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, parseVersions(tt.text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := len(parseVersions(listed)); got != 16 {
		t.Errorf("%d versions of the proxy's answer can be built, want 16", got)
	}
}

func FuzzParseVersions(f *testing.F) {
	f.Add(listed)
	f.Fuzz(func(t *testing.T, text string) {
		last := ""
		for _, v := range parseVersions(text) {
			if !semver.IsValid(v) || last != "" && semver.Compare(last, v) >= 0 {
				t.Errorf("%q after %q", v, last)
			}
			last = v
		}
	})
}

func TestChoose(t *testing.T) {
	t.Parallel()
	available := parseVersions(listed)
	tests := map[string]string{
		Latest: "v1.36.3", "v1.36.1": "v1.36.1", "1.36.1": "v1.36.1", "1.34": "v1.34.4", "v1.30": "v1.30.14",
	}
	for asked, want := range tests {
		got, err := choose(asked, available)
		if err != nil || got != want {
			t.Errorf("choose(%q) = %q, %v, want %q", asked, got, err, want)
		}
	}
	errs := map[string]string{
		"v1.34.1": "no Kubernetes v1.34.1 on the Go module proxy; there are v1.33.6, v1.34.0, v1.34.2, v1.34.3, v1.34.4, v1.35.4",
		"1.28":    "no Kubernetes 1.28 on the Go module proxy; there are v1.29.6, v1.30.4, v1.30.14, v1.31.0, v1.31.14, v1.32.2",
	}
	for asked, want := range errs {
		_, err := choose(asked, available)
		if err == nil || err.Error() != want {
			t.Errorf("choose(%q): %v\nwant %s", asked, err, want)
		}
	}
	_, err := choose(Latest, nil)
	if err == nil || err.Error() != "no version of Kubernetes on the Go module proxy" {
		t.Errorf("choose of nothing: %v", err)
	}
}

func TestVersionErrorOffline(t *testing.T) {
	t.Parallel()
	offline := errors.New("dial tcp: lookup proxy.golang.org: no such host")
	err := &VersionError{Asked: "1.35", Near: []string{"v1.36.3"}, Offline: offline}
	want := "no Kubernetes 1.35 in the cache, and the Go module proxy could not be asked; there are v1.36.3: " + offline.Error()
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, offline) {
		t.Error("the reason is not wrapped")
	}
}

func TestCachedVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key  string
		set  Set
		arch string
		want string
	}{
		{"kubelet-v1.36.3-amd64-521e5c1547aeaafaacaa", Kubelet, "amd64", "v1.36.3"},
		{"kubelet-v1.36.3-amd64-521e5c1547aeaafaacaa", Kubelet, "arm64", ""},
		{"kubelet-v1.36.3-amd64-521e5c1547aeaafaacaa", ControlPlane, "amd64", ""},
		{"control-plane-v1.36.3-amd64-a084a347e6a71a875aea", ControlPlane, "amd64", "v1.36.3"},
		{"kubelet-v1.36.3-amd64-", Kubelet, "amd64", ""},
		{"kubelet-amd64-", Kubelet, "amd64", ""},
	}
	for _, tt := range tests {
		got, ok := cachedVersion(tt.key, tt.set, tt.arch)
		if got != tt.want && ok || ok != (tt.want != "") {
			t.Errorf("cachedVersion(%q, %s, %s) = %q, %v, want %q", tt.key, tt.set, tt.arch, got, ok, tt.want)
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, set := range []Set{ControlPlane, Kubelet, Etcd} {
		for _, arch := range []string{"amd64", "arm64"} {
			for _, goVersion := range []string{"go1.26.8", "go1.27.0"} {
				target, err := newTarget(set, "v1.36.3", arch)
				if err != nil {
					t.Fatal(err)
				}
				seen[target.key(goVersion)] = true
			}
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d keys of 12 targets", len(seen))
	}
	for _, version := range []string{"", "1.36.3", "v1.36", "latest", "v1.36.3 -x"} {
		if _, err := newTarget(Kubelet, version, "amd64"); err == nil {
			t.Errorf("version %q was taken", version)
		}
	}
	if _, err := newTarget("kubectl", "v1.36.3", "amd64"); err == nil {
		t.Error("an unknown set was taken")
	}
}

func TestLdflags(t *testing.T) {
	t.Parallel()
	target := target{set: Kubelet, version: "v1.36.3", arch: "amd64"}
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.36.3",
		"-X k8s.io/component-base/version.gitMajor=1",
		"-X k8s.io/component-base/version.gitMinor=36",
		"-X k8s.io/client-go/pkg/version.gitVersion=v1.36.3",
	} {
		if !strings.Contains(target.ldflags(), want) {
			t.Errorf("ldflags %q lack %q", target.ldflags(), want)
		}
	}
	target.set = Etcd
	if got := target.ldflags(); got != "-s -w" {
		t.Errorf("ldflags of etcd are %q", got)
	}
}
