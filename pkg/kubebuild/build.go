package kubebuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/cache"
)

const (
	// buildTimeout bounds one build, downloads included: a slow machine takes
	// some twenty minutes.
	buildTimeout = 90 * time.Minute
	// outBytes is the room that the largest set takes.
	outBytes = 400 << 20
	// goCacheBytes is the room that go build takes in its own cache and in the
	// module cache.
	goCacheBytes = 4 << 30
	// progressEvery is how often a running build says how far it is.
	progressEvery = 15 * time.Second

	fileBuild = "build"
)

// BuildError says that the commands could not be built, with what the compiler
// said.
type BuildError struct {
	Set     Set
	Version string
	Output  string
	Err     error
}

func (e *BuildError) Error() string {
	return fmt.Sprintf("build %s %s: %v\n%s", e.Set, e.Version, e.Err, strings.TrimSpace(e.Output))
}

func (e *BuildError) Unwrap() error { return e.Err }

// build fills the cache entry's directory out.
func (b *Builder) build(ctx context.Context, t target, goVersion, out string) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, fmt.Errorf("building took more than %v", buildTimeout))
	defer cancel()
	if err := b.requireSpace(ctx, out); err != nil {
		return err
	}
	start := time.Now()
	say := func(format string, args ...any) {
		b.logf("%s %s (%s): %s (%s)", t.set, t.version, t.arch, fmt.Sprintf(format, args...), time.Since(start).Round(time.Second))
	}
	say("building with %s; later labs take it from the cache", goVersion)

	work, err := os.MkdirTemp("", "nfsim-kubebuild-*")
	if err != nil {
		return err
	}
	defer func() {
		if rmErr := os.RemoveAll(work); err == nil {
			err = rmErr
		}
	}()
	goMod, err := b.wrap(ctx, t)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "go.mod"), goMod, 0o644); err != nil {
		return err
	}
	say("downloaded, compiling")
	if err := b.compile(ctx, t, work, out, say); err != nil {
		return err
	}
	say("done")
	record := fmt.Sprintf("set %s\nversion %s\narch %s\ngo %s\nrecipe %s\nldflags %s\n", t.set, t.version, t.arch, goVersion, recipeVersion, t.ldflags())
	return os.WriteFile(filepath.Join(out, fileBuild), []byte(record), 0o644)
}

// wrap downloads the module of t and returns the wrapper's go.mod.
func (b *Builder) wrap(ctx context.Context, t target) ([]byte, error) {
	path, err := b.goDownload(ctx, t.set.module(), t.version)
	if err != nil {
		return nil, err
	}
	upstream, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if t.set == Etcd {
		return etcdGoMod(upstream, t.version)
	}
	return wrapperGoMod(upstream, t.version)
}

// compile builds the commands of t into out, in the wrapper module at work.
func (b *Builder) compile(ctx context.Context, t target, work, out string, say func(format string, args ...any)) error {
	// A build leaves the machine to whoever else works on it.
	nice, err := exec.LookPath("nice")
	if err != nil {
		nice = ""
	}
	to := out + string(filepath.Separator)
	if t.set == Etcd {
		to = filepath.Join(out, "etcd")
	}
	args := append([]string{"build", "-v", "-trimpath", "-o", to, "-ldflags", t.ldflags()}, t.set.packages()...)
	cmd := b.command(ctx, work, nice, b.gocmd, args...)
	cmd.Env = goEnv("CGO_ENABLED=0", "GOOS=linux", "GOARCH="+t.arch)
	said := time.Now()
	count := &packageCounter{seen: func(packages int) {
		if time.Since(said) >= progressEvery {
			said = time.Now()
			say("compiled %d packages", packages)
		}
	}}
	cmd.Stderr = count
	if err := b.run(ctx, cmd); err != nil {
		return &BuildError{Set: t.set, Version: t.version, Output: tail(append(count.other, count.rest...)), Err: err}
	}
	return nil
}

// requireSpace returns a *cache.SpaceError when a build would run out of room.
func (b *Builder) requireSpace(ctx context.Context, out string) error {
	if err := cache.RequireSpace("building Kubernetes", out, outBytes); err != nil {
		return err
	}
	dirs, err := b.goOutput(ctx, os.TempDir(), "env", "GOCACHE", "GOMODCACHE")
	if err != nil {
		return err
	}
	for _, dir := range strings.Fields(string(dirs)) {
		if err := cache.RequireSpace("building Kubernetes", dir, goCacheBytes); err != nil {
			return err
		}
	}
	return nil
}
