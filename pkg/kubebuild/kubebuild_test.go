package kubebuild

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/cache"
)

// fixture is a Builder with testdata/fakego.sh for its go command.
type fixture struct {
	*Builder
	dir string // of the fake go command

	mu   sync.Mutex
	said []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir()}
	logf := func(format string, args ...any) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.said = append(f.said, fmt.Sprintf(format, args...))
	}
	f.write(t, "listed", listed)
	f.write(t, "upstream.mod", string(upstream(t, "v1.36.3")))
	// A link, because a file that was just written may be "text file busy".
	script, err := filepath.Abs("testdata/fakego.sh")
	if err != nil {
		t.Fatal(err)
	}
	gocmd := filepath.Join(f.dir, "go")
	if err := os.Symlink(script, gocmd); err != nil {
		t.Fatal(err)
	}
	dir, err := cache.Open(filepath.Join(t.TempDir(), "cache"), cache.Options{Logf: logf})
	if err != nil {
		t.Fatal(err)
	}
	f.Builder = New(dir, Options{Go: gocmd, Arch: "arm64", Logf: logf})
	return f
}

func (f *fixture) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) calls(t *testing.T, command string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), command)
}

func (f *fixture) saidAny(part string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(strings.Join(f.said, "\n"), part)
}

func TestGetBuildsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 2 {
		c, err := f.Get(t.Context(), ControlPlane, "v1.36.3")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
			got, err := os.ReadFile(c.Path(name))
			if err != nil || string(got) != "linux arm64 0 local\n" {
				t.Errorf("%s was built for %q, %v", name, got, err)
			}
		}
		if err := c.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.calls(t, "build -v"); got != 1 {
		t.Errorf("%d builds, want 1", got)
	}
	wrapper, err := os.ReadFile(filepath.Join(f.dir, "wrapper.mod"))
	if err != nil || !strings.Contains(string(wrapper), "require k8s.io/kubernetes v1.36.3") {
		t.Errorf("built in module %q, %v", wrapper, err)
	}
	if !f.saidAny("control-plane v1.36.3 (arm64): building with go1.99.0") {
		t.Errorf("said %q", f.said)
	}
}

func TestGetEtcd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "upstream.mod", "module go.etcd.io/etcd/server/v3\n\ngo 1.24.0\n")
	c, err := f.Get(t.Context(), Etcd, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if c.Version != EtcdVersion {
		t.Errorf("version %s, want %s", c.Version, EtcdVersion)
	}
	if _, err := os.Stat(c.Path("etcd")); err != nil {
		t.Error(err)
	}
}

func TestGetTellsWhatTheCompilerSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "broken", "")
	_, err := f.Get(t.Context(), Kubelet, "v1.36.3")
	var build *BuildError
	if !errors.As(err, &build) {
		t.Fatalf("Get() = %v, want a BuildError", err)
	}
	if diff := cmp.Diff("./x.go:1:1: undefined: y\n", build.Output); diff != "" {
		t.Error(diff)
	}
}

func TestGetWithoutGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := New(f.Builder.dir, Options{Go: filepath.Join(f.dir, "nothing")})
	var noGo *NoGoError
	if _, err := b.Get(t.Context(), Kubelet, "v1.36.3"); !errors.As(err, &noGo) {
		t.Errorf("Get() = %v, want a NoGoError", err)
	}
	if _, err := b.Resolve(t.Context(), Kubelet, ""); !errors.As(err, &noGo) {
		t.Errorf("Resolve() = %v, want a NoGoError", err)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for asked, want := range map[string]string{"": DefaultVersion, Latest: "v1.36.3"} {
		if got, err := f.Resolve(t.Context(), Kubelet, asked); err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v, want %q", asked, got, err, want)
		}
	}
	for _, asked := range []string{"newest", "v2.0.0", "1.36.3-rc.1", "1.36.3 --x"} {
		var unknown *VersionError
		if _, err := f.Resolve(t.Context(), Kubelet, asked); !errors.As(err, &unknown) {
			t.Errorf("Resolve(%q) = %v, want a VersionError", asked, err)
		}
	}
}

func TestResolveOffline(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "offline", "")
	var unknown *VersionError
	if _, err := f.Resolve(t.Context(), Kubelet, ""); !errors.As(err, &unknown) || unknown.Offline == nil {
		t.Errorf("Resolve() with an empty cache = %v, want an offline VersionError", err)
	}
	for _, version := range []string{"v1.34.4", "v1.36.1"} {
		c, err := f.Get(t.Context(), Kubelet, version)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Release(); err != nil {
			t.Fatal(err)
		}
	}
	for asked, want := range map[string]string{Latest: "v1.36.1", "1.34": "v1.34.4"} {
		if got, err := f.Resolve(t.Context(), Kubelet, asked); err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v, want %q", asked, got, err, want)
		}
	}
	if !f.saidAny("cannot be asked for versions of Kubernetes; taking v1.36.1") {
		t.Errorf("said %q", f.said)
	}
	before := f.calls(t, "list -m")
	if got, err := f.Resolve(t.Context(), Kubelet, "1.34.4"); err != nil || got != "v1.34.4" {
		t.Errorf("Resolve(1.34.4) = %q, %v", got, err)
	}
	if after := f.calls(t, "list -m"); after != before {
		t.Error("the proxy was asked for a version that the cache holds")
	}
}
