package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nfsim/nfsim/pkg/history"
)

// Largest files that are read, in bytes.
const (
	maxJSON  = 64 << 20
	maxLines = 1 << 30
)

// writeFileAtomic writes a file so that it is there whole or not at all, also
// after a power cut: temporary file, fsync, rename, fsync of the directory.
func writeFileAtomic(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return writeFileAtomic(path, append(data, '\n'))
}

// openIn opens a regular file inside dir for reading. Nothing outside dir can
// be reached by it, and nothing that could block.
func openIn(dir, name string, limit int64) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a regular file", filepath.Join(dir, name))
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("open %s: %d bytes are more than the largest allowed (%d)", filepath.Join(dir, name), info.Size(), limit)
	}
	return root.Open(name)
}

func readJSON(dir, name string, v any) (err error) {
	f, err := openIn(dir, name, maxJSON)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON))
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &DamagedError{Path: filepath.Join(dir, name), Err: err}
	}
	return nil
}

// decodeLines reads a file of JSON lines. A last line that was cut short is
// left out; torn tells. A missing file is an empty one.
func decodeLines[T any](r io.Reader) (list []T, torn bool, err error) {
	torn, err = history.EachLine(r, history.MaxLine, func(_ int, line []byte) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		list = append(list, v)
		return nil
	})
	return list, torn, err
}

func readLines[T any](dir, name string) (list []T, err error) {
	f, err := openIn(dir, name, maxLines)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	list, _, err = decodeLines[T](f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
	}
	return list, nil
}
