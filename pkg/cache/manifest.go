package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	manifestName   = "manifest.json"
	manifestSchema = 1
)

// manifest is what manifest.json holds. It is written after all other files,
// so that its presence means that the build came to its end.
type manifest struct {
	Schema int                 `json:"schema"`
	Built  time.Time           `json:"built"`
	Files  map[string]fileInfo `json:"files"` // by slash-separated path below the entry
}

// fileInfo is one file of an entry.
type fileInfo struct {
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// parseManifest reads the text of a manifest.json and checks that it can be
// relied on: schema, and paths that stay below the entry.
func parseManifest(data []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("parse %s: %w", manifestName, err)
	}
	if m.Schema != manifestSchema {
		return nil, fmt.Errorf("parse %s: schema %d, want %d", manifestName, m.Schema, manifestSchema)
	}
	for name, info := range m.Files {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("parse %s: file %q is outside the entry", manifestName, name)
		}
		if info.Size < 0 {
			return nil, fmt.Errorf("parse %s: file %q has size %d", manifestName, name, info.Size)
		}
	}
	return &m, nil
}

func readManifest(dir string) (*manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, err
	}
	return parseManifest(data)
}

// checkSizes compares the files below dir with the manifest, by size only.
func (m *manifest) checkSizes(dir string) error {
	for _, name := range m.names() {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		if want := m.Files[name].Size; st.Size() != want {
			return fmt.Errorf("%s has %d bytes, want %d", name, st.Size(), want)
		}
	}
	return nil
}

// verify compares the files below dir with the manifest, by content.
func (m *manifest) verify(ctx context.Context, dir string) error {
	for _, name := range m.names() {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := hashFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("verify %s: %w", name, err)
		}
		if got != m.Files[name] {
			return fmt.Errorf("verify %s: %d bytes with sha256 %s, want %d with %s",
				name, got.Size, got.SHA256, m.Files[name].Size, m.Files[name].SHA256)
		}
	}
	return nil
}

func (m *manifest) names() []string {
	names := make([]string, 0, len(m.Files))
	for name := range m.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *manifest) size() (bytes int64) {
	for _, info := range m.Files {
		bytes += info.Size
	}
	return bytes
}

func (m *manifest) digest() string {
	h := sha256.New()
	for _, name := range m.names() {
		fmt.Fprintf(h, "%s\x00%s\n", name, m.Files[name].SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// seal makes the files below dir read-only, puts them on the disk and writes
// the manifest, in this order.
func seal(dir string) error {
	m := manifest{Schema: manifestSchema, Built: time.Now().UTC().Truncate(time.Second), Files: map[string]fileInfo{}}
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, path)
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("seal %s: not a regular file", rel)
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if err := os.Chmod(path, st.Mode().Perm()&^0o222|0o444); err != nil {
			return err
		}
		info, err := hashFile(path)
		if err != nil {
			return err
		}
		m.Files[filepath.ToSlash(rel)] = info
		return nil
	})
	if err != nil {
		return err
	}
	if len(m.Files) == 0 {
		return errors.New("seal: the build left no file")
	}
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := writeSync(filepath.Join(dir, manifestName), append(data, '\n')); err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// hashFile reads the file, and leaves it on the disk rather than in the page
// cache only.
func hashFile(path string) (fileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileInfo{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return fileInfo{}, err
	}
	if err := f.Sync(); err != nil {
		return fileInfo{}, err
	}
	return fileInfo{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

func writeSync(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
