package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logs collects what a Dir says.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *logs) contains(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.lines, "\n"), part)
}

func open(t *testing.T) (*Dir, *logs) {
	t.Helper()
	l := &logs{}
	d, err := Open(filepath.Join(t.TempDir(), "cache"), Options{Logf: l.logf})
	if err != nil {
		t.Fatal(err)
	}
	return d, l
}

// files is a build that writes the given files.
func files(content map[string]string) func(context.Context, string) error {
	return func(_ context.Context, tmp string) error {
		for name, text := range content {
			path := filepath.Join(tmp, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
				return err
			}
		}
		return nil
	}
}

func get(t *testing.T, d *Dir, kind, key string, build func(context.Context, string) error) *Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := d.Get(ctx, kind, key, build)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Release(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestGetBuildsOnce(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	content := map[string]string{"disk": "0123456789", "sub/list": "a\n"}
	e := get(t, d, "images", "k", files(content))
	if diff := cmp.Diff([]string{"disk", "sub/list"}, e.Files()); diff != "" {
		t.Error(diff)
	}
	st, err := os.Stat(e.Path("disk"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := st.Mode().Perm(), fs.FileMode(0o555); got != want {
		t.Errorf("mode of a file is %v, want %v", got, want)
	}
	again := get(t, d, "images", "k", func(context.Context, string) error {
		return errors.New("built a second time")
	})
	if again.Path() != e.Path() || again.Digest() != e.Digest() {
		t.Errorf("second Get returned %s, want %s", again.Path(), e.Path())
	}
	if err := again.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGetConcurrentBuildersBuildOnce(t *testing.T) {
	t.Parallel()
	d, l := open(t)
	var builds, running atomic.Int32
	first := make(chan struct{})
	build := func(ctx context.Context, tmp string) error {
		if running.Add(1) > 1 {
			t.Error("two builders at once")
		}
		defer running.Add(-1)
		builds.Add(1)
		close(first)
		// Until another one waits for us.
		for !l.contains("waiting for process") {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
		return files(map[string]string{"f": "x"})(ctx, tmp)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			e, err := d.Get(ctx, "kube", "k", build)
			if err != nil {
				t.Error(err)
				return
			}
			if err := e.Release(); err != nil {
				t.Error(err)
			}
		})
	}
	<-first
	wg.Wait()
	if got := builds.Load(); got != 1 {
		t.Errorf("%d builds, want 1", got)
	}
	if !l.contains(fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("the waiting line does not name the builder's process: %q", l.lines)
	}
}

func TestGetRepairs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		damage func(t *testing.T, path string)
		said   string
	}{
		"file cut short": {
			func(t *testing.T, path string) {
				must(t, os.Chmod(filepath.Join(path, "disk"), 0o644))
				must(t, os.Truncate(filepath.Join(path, "disk"), 3))
			},
			"cache entry images/k is damaged and will be built again: disk has 3 bytes, want 10",
		},
		"file gone": {
			func(t *testing.T, path string) { must(t, os.Remove(filepath.Join(path, "disk"))) },
			"damaged",
		},
		"file replaced by a link": {
			func(t *testing.T, path string) {
				must(t, os.Remove(filepath.Join(path, "disk")))
				must(t, os.Symlink("manifest.json", filepath.Join(path, "disk")))
			},
			"disk is not a regular file",
		},
		"no manifest": {
			func(t *testing.T, path string) { must(t, os.Remove(filepath.Join(path, manifestName))) },
			"incomplete",
		},
		"manifest cut short": {
			func(t *testing.T, path string) {
				must(t, os.Chmod(filepath.Join(path, manifestName), 0o644))
				must(t, os.Truncate(filepath.Join(path, manifestName), 20))
			},
			"incomplete",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, l := open(t)
			content := map[string]string{"disk": "0123456789"}
			e := get(t, d, "images", "k", files(content))
			must(t, e.Release())
			tt.damage(t, e.Path())
			e = get(t, d, "images", "k", files(content))
			must(t, e.Verify(t.Context()))
			if !l.contains(tt.said) {
				t.Errorf("said %q, want %q in it", l.lines, tt.said)
			}
		})
	}
}

func TestVerifySeesSameSize(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	e := get(t, d, "images", "k", files(map[string]string{"disk": "0123456789"}))
	must(t, os.Chmod(e.Path("disk"), 0o644))
	must(t, os.WriteFile(e.Path("disk"), []byte("012345678x"), 0o644))
	err := e.Verify(t.Context())
	if err == nil || !strings.Contains(err.Error(), "verify disk") {
		t.Errorf("Verify() = %v, want an error about disk", err)
	}
}

func TestGetFailedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	boom := errors.New("boom")
	_, err := d.Get(t.Context(), "images", "k", func(ctx context.Context, tmp string) error {
		must(t, files(map[string]string{"half": "x"})(ctx, tmp))
		return boom
	})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), "build cache entry images/k") {
		t.Errorf("Get() = %v, want boom with the entry's name", err)
	}
	if diff := cmp.Diff([]string{"k.lock"}, names(t, filepath.Join(d.Root(), "images"))); diff != "" {
		t.Error(diff)
	}
	if _, err := d.Lookup(t.Context(), "images", "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lookup() = %v, want not exist", err)
	}
	if _, err := d.Get(t.Context(), "images", "k", files(nil)); err == nil {
		t.Error("a build that leaves no file made an entry")
	}
}

func TestGetAfterCrash(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	kind := filepath.Join(d.Root(), "images")
	for _, left := range []string{".tmp-k-123/half", ".tmp-k-v2-123/half"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(kind, left)), 0o755))
		must(t, os.WriteFile(filepath.Join(kind, left), []byte("x"), 0o644))
	}
	get(t, d, "images", "k", files(map[string]string{"f": "x"}))
	// Those of k-v2 are another builder's.
	if diff := cmp.Diff([]string{".tmp-k-v2-123", "k", "k.lock"}, names(t, kind)); diff != "" {
		t.Error(diff)
	}
	must(t, d.Sweep())
	if diff := cmp.Diff([]string{"k", "k-v2.lock", "k.lock"}, names(t, kind)); diff != "" {
		t.Error(diff)
	}
}

func TestGetGivesUpWithContext(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	lock, err := d.tryLock("images", "k", lockExclusive)
	if errors.Is(err, fs.ErrNotExist) {
		must(t, os.MkdirAll(filepath.Join(d.Root(), "images"), 0o755))
		lock, err = d.tryLock("images", "k", lockExclusive)
	}
	must(t, err)
	defer lock.release()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	cancel(why)
	_, err = d.Get(ctx, "images", "k", files(map[string]string{"f": "x"}))
	var busy *InUseError
	if !errors.Is(err, why) || !errors.As(err, &busy) {
		t.Errorf("Get() = %v, want the cause and who holds the entry", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	for _, key := range []string{"", ".", "..", "a/b", "-x", ".tmp", "a b", "k.lock"} {
		if _, err := d.Get(t.Context(), "images", key, nil); err == nil {
			t.Errorf("key %q was taken", key)
		}
		if err := d.Remove("images", key); err == nil {
			t.Errorf("key %q was taken by Remove", key)
		}
	}
}

func TestKeyTellsInputsApart(t *testing.T) {
	t.Parallel()
	seen := map[string][]string{}
	for _, in := range [][]string{nil, {""}, {"", ""}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"c", "ab"}} {
		key := Key(in...)
		if len(key) != 2*keyBytes {
			t.Errorf("Key(%q) = %q, want %d digits", in, key, 2*keyBytes)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("Key(%q) = Key(%q)", in, other)
		}
		seen[key] = in
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
