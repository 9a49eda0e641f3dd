package rundir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// DefaultRoot is where runs are kept, relative to the working directory.
const DefaultRoot = "runs"

// Latest names the newest run of a root, as an ID for Open.
const Latest = "latest"

// Run is a run directory.
type Run struct {
	dir  string
	mu   sync.Mutex
	meta RunMeta
}

// Create makes a new run directory below root and points root/latest to it.
// An empty meta.ID becomes one made of the time and a random suffix, a zero
// meta.Started becomes now. meta.Schema is set.
func Create(root string, meta RunMeta) (*Run, error) {
	if meta.Started.IsZero() {
		meta.Started = time.Now()
	}
	if meta.ID == "" {
		suffix := make([]byte, 2)
		if _, err := rand.Read(suffix); err != nil {
			return nil, fmt.Errorf("create run: %w", err)
		}
		meta.ID = meta.Started.UTC().Format("20060102-150405-") + hex.EncodeToString(suffix)
	}
	if safe, err := SafeName(meta.ID); err != nil || safe != meta.ID || meta.ID == Latest {
		return nil, fmt.Errorf("create run: %q is no name for a run; use letters, digits and -_=,+", meta.ID)
	}
	meta.Schema = SchemaVersion
	dir := filepath.Join(root, meta.ID)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "cells"), 0o755); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	r := &Run{dir: dir, meta: meta}
	if err := writeJSON(filepath.Join(dir, "run.json"), meta); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	if err := pointLatest(root, meta.ID); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	return r, nil
}

// pointLatest replaces root/latest by a rename, so that there always is one.
func pointLatest(root, id string) error {
	tmp := filepath.Join(root, ".latest-"+id)
	if err := os.Symlink(id, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(root, Latest)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// Open opens a run by the path of its directory, or by an ID or "latest" below
// DefaultRoot. A path that is no run is a *NotRunError, another schema version
// a *SchemaError.
func Open(path string) (*Run, error) { return OpenIn(DefaultRoot, path) }

// OpenIn is Open with another root for IDs and "latest".
func OpenIn(root, path string) (*Run, error) {
	dir, err := find(root, path)
	if err != nil {
		return nil, err
	}
	var version struct {
		Schema int `json:"schema"`
	}
	if err := readJSON(dir, "run.json", &version); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotRunError{Path: path, Reason: dir + " has no run.json"}
		}
		return nil, fmt.Errorf("open run %q: %w", path, err)
	}
	if version.Schema != SchemaVersion {
		return nil, &SchemaError{Dir: dir, Have: version.Schema}
	}
	r := &Run{dir: dir}
	if err := readJSON(dir, "run.json", &r.meta); err != nil {
		return nil, fmt.Errorf("open run %q: %w", path, err)
	}
	return r, nil
}

func find(root, path string) (string, error) {
	if path == "" {
		return "", &NotRunError{Path: path, Reason: "no name given"}
	}
	tried := []string{path}
	if !strings.ContainsRune(path, filepath.Separator) {
		tried = []string{filepath.Join(root, path), path}
	}
	for _, dir := range tried {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("open run: %w", err)
		}
		if !info.IsDir() {
			return "", &NotRunError{Path: path, Reason: dir + " is not a directory"}
		}
		resolved, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return "", fmt.Errorf("open run: %w", err)
		}
		return resolved, nil
	}
	return "", &NotRunError{Path: path, Reason: "no such directory: " + strings.Join(tried, ", ")}
}

// Dir returns the path of the run directory.
func (r *Run) Dir() string { return r.dir }

// Meta returns run.json.
func (r *Run) Meta() RunMeta {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.meta
}

// Update changes run.json by fn and writes it. fn must not change the schema
// version or the ID.
func (r *Run) Update(fn func(*RunMeta)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	meta := r.meta
	fn(&meta)
	meta.Schema, meta.ID = r.meta.Schema, r.meta.ID
	if err := writeJSON(filepath.Join(r.dir, "run.json"), meta); err != nil {
		return fmt.Errorf("update run: %w", err)
	}
	r.meta = meta
	return nil
}

// Finish writes the end of the run.
func (r *Run) Finish() error {
	return r.Update(func(m *RunMeta) { m.Ended = time.Now() })
}

// WriteFingerprint writes fingerprint.json.
func (r *Run) WriteFingerprint(f Fingerprint) error {
	if err := writeJSON(filepath.Join(r.dir, "fingerprint.json"), f); err != nil {
		return fmt.Errorf("write fingerprint: %w", err)
	}
	return nil
}

// Fingerprint reads fingerprint.json; a run that has none yet has an empty one.
func (r *Run) Fingerprint() (Fingerprint, error) {
	var f Fingerprint
	err := readJSON(r.dir, "fingerprint.json", &f)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read fingerprint: %w", err)
	}
	return f, nil
}

// Log opens log.txt, the progress of the run, for appending.
func (r *Run) Log() (io.WriteCloser, error) {
	f, err := os.OpenFile(filepath.Join(r.dir, "log.txt"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of run: %w", err)
	}
	return f, nil
}
