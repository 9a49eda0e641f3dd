// Package cache is a directory of things that are slow to make: machine images,
// Kubernetes commands, ready snapshots. An entry is named by a kind and by a key
// over its inputs; it is either whole or not there.
//
//	dir, err := cache.Open("", cache.Options{Logf: log.Printf}) // "" is $XDG_CACHE_HOME/nfsim
//	entry, err := dir.Get(ctx, "images", "trixie-amd64-"+cache.Key(inputs...),
//		func(ctx context.Context, tmp string) error { return build(ctx, tmp) })
//	defer entry.Release()
//	boot(entry.Path("disk.qcow2"))
//
// On disk, below the root:
//
//	KIND/KEY/               the files of an entry, read-only
//	KIND/KEY/manifest.json  size and SHA-256 of each file, written last
//	KIND/KEY.lock           flock: exclusive while built or removed, shared while used;
//	                        its modification time is when the entry was last asked for
//	KIND/.tmp-KEY-*         being built, or left by a builder that was killed
//
// Everything below the root may be deleted while no nfsim runs. The locks are
// flock(2) locks: they end with the process that holds them, SIGKILL included.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Options are what a Dir needs besides its root.
type Options struct {
	// Logf is told what takes time or was repaired, one line a call without a
	// newline at its end. Nil discards it.
	Logf func(format string, args ...any)
}

// Dir is a cache directory. Its methods may be called from several goroutines
// and, on the same root, from several processes.
type Dir struct {
	root string
	logf func(format string, args ...any)
}

// Open returns the cache below root, or below DefaultRoot when root is empty.
// The directory is made if it is missing.
func Open(root string, opts Options) (*Dir, error) {
	if root == "" {
		var err error
		if root, err = DefaultRoot(); err != nil {
			return nil, err
		}
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find cache directory: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("make cache directory: %w", err)
	}
	logf := opts.Logf
	if logf == nil {
		logf = func(string, ...any) {}
	}
	return &Dir{root: root, logf: logf}, nil
}

// DefaultRoot is $XDG_CACHE_HOME/nfsim, or ~/.cache/nfsim when that is not set.
func DefaultRoot() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w (set XDG_CACHE_HOME)", err)
	}
	return filepath.Join(base, "nfsim"), nil
}

// Root is the directory that holds the kinds.
func (d *Dir) Root() string { return d.root }

// nameRE is what a kind or a key may look like: one path element that is
// neither hidden nor an option, and that does not end like a lock file.
var nameRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

func checkName(kind, key string) error {
	for _, name := range []string{kind, key} {
		if !nameRE.MatchString(name) || filepath.Ext(name) == lockSuffix {
			return fmt.Errorf("name cache entry: %q is not letters, digits, '.', '_', '+', '-'", name)
		}
	}
	return nil
}

func (d *Dir) entryPath(kind, key string) string { return filepath.Join(d.root, kind, key) }

// Get returns the entry kind/key, held against removal until its Release.
//
// An entry that is missing, incomplete or cut short is made by build, which
// fills the empty directory tmp; nothing is seen at the entry's path until all
// of it is on disk. Only one builder of a key runs at a time, over all
// processes; the others wait for it, and Logf is told for whom. When build
// fails, its error is wrapped and nothing is left behind.
func (d *Dir) Get(ctx context.Context, kind, key string, build func(ctx context.Context, tmp string) error) (*Entry, error) {
	if err := checkName(kind, key); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(d.root, kind), 0o755); err != nil {
		return nil, fmt.Errorf("make cache directory: %w", err)
	}
	name := kind + "/" + key
	for {
		entry, err := d.open(ctx, kind, key)
		if err == nil {
			return entry, nil
		}
		var broken *brokenError
		if !errors.As(err, &broken) {
			return nil, fmt.Errorf("open cache entry %s: %w", name, err)
		}
		if err := d.make(ctx, kind, key, build); err != nil {
			return nil, fmt.Errorf("build cache entry %s: %w", name, err)
		}
	}
}

// Lookup returns the entry kind/key if it is there and whole, held as Get
// holds it. Its error is fs.ErrNotExist when there is nothing to return.
func (d *Dir) Lookup(ctx context.Context, kind, key string) (*Entry, error) {
	if err := checkName(kind, key); err != nil {
		return nil, err
	}
	if _, err := os.Stat(d.entryPath(kind, key)); err != nil {
		return nil, fmt.Errorf("look up cache entry %s/%s: %w", kind, key, err)
	}
	entry, err := d.open(ctx, kind, key)
	if err != nil {
		return nil, fmt.Errorf("look up cache entry %s/%s: %w", kind, key, err)
	}
	return entry, nil
}

// brokenError says why an entry cannot be used as it is.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// open takes the shared lock and checks the entry; a *brokenError means that
// it has to be built.
func (d *Dir) open(ctx context.Context, kind, key string) (*Entry, error) {
	lock, err := d.lock(ctx, kind, key, lockShared)
	if err != nil {
		return nil, err
	}
	path := d.entryPath(kind, key)
	m, err := readManifest(path)
	if err == nil {
		err = m.checkSizes(path)
	}
	if err != nil {
		lock.release()
		return nil, &brokenError{err}
	}
	now := time.Now()
	if err := os.Chtimes(lock.path(), now, now); err != nil {
		lock.release()
		return nil, fmt.Errorf("note the use: %w", err)
	}
	return &Entry{Kind: kind, Key: key, dir: path, manifest: m, lock: lock}, nil
}

// make builds the entry under the exclusive lock, unless another process was
// faster.
func (d *Dir) make(ctx context.Context, kind, key string, build func(ctx context.Context, tmp string) error) (err error) {
	lock, err := d.lock(ctx, kind, key, lockExclusive)
	if err != nil {
		return err
	}
	defer lock.release()
	path := d.entryPath(kind, key)
	if m, err := readManifest(path); err == nil {
		err := m.checkSizes(path)
		if err == nil {
			return nil
		}
		d.logf("cache entry %s/%s is damaged and will be built again: %v", kind, key, err)
	} else if _, statErr := os.Stat(path); statErr == nil {
		d.logf("cache entry %s/%s is incomplete and will be built again: %v", kind, key, err)
	}
	if err := d.removeTemps(kind, key); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Join(d.root, kind), tempPrefix(key))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := build(ctx, tmp); err != nil {
		return err
	}
	if err := seal(tmp); err != nil {
		return err
	}
	if err := d.discard(kind, key); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
