package cache

import (
	"context"
	"path/filepath"
	"slices"
)

// Entry is a whole entry of the cache, protected from removal until Release.
type Entry struct {
	Kind, Key string

	dir      string
	manifest *manifest
	lock     *fileLock
}

// Path joins elem to the entry's directory; with no elem it is the directory.
func (e *Entry) Path(elem ...string) string {
	return filepath.Join(append([]string{e.dir}, elem...)...)
}

// Files lists the entry's files, relative to its directory, sorted.
func (e *Entry) Files() []string {
	var names []string
	for name := range e.manifest.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Digest is a hexadecimal SHA-256 over the names and contents of the files as
// they were when the entry was built. Two builds under one key may differ in it
// (Debian packages move on): whatever is derived from the files, as a snapshot
// is, belongs under the digest and not under the key.
func (e *Entry) Digest() string { return e.manifest.digest() }

// Verify reads every file and compares its SHA-256 with the manifest. Opening
// an entry compares sizes only.
func (e *Entry) Verify(ctx context.Context) error { return e.manifest.verify(ctx, e.dir) }

// Release ends the protection from removal. The files may be gone afterwards.
// Calling it again does nothing.
func (e *Entry) Release() error {
	if e == nil || e.lock == nil {
		return nil
	}
	lock := e.lock
	e.lock = nil
	return lock.release()
}
