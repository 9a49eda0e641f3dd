package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Info is what Entries tells about one entry.
type Info struct {
	Kind, Key string
	Bytes     int64     // sum of the sizes of its files
	Built     time.Time // zero when the entry is not whole
	Used      time.Time // when it was last asked for
	Whole     bool      // all files are there in their sizes
}

// Entries lists what the cache holds, damaged entries included, in the order
// of kind and key.
func (d *Dir) Entries() ([]Info, error) {
	kinds, err := os.ReadDir(d.root)
	if err != nil {
		return nil, fmt.Errorf("list cache: %w", err)
	}
	var out []Info
	for _, kind := range kinds {
		if !kind.IsDir() || !nameRE.MatchString(kind.Name()) {
			continue
		}
		keys, err := os.ReadDir(filepath.Join(d.root, kind.Name()))
		if err != nil {
			return nil, fmt.Errorf("list cache: %w", err)
		}
		for _, key := range keys {
			if key.IsDir() && nameRE.MatchString(key.Name()) {
				out = append(out, d.info(kind.Name(), key.Name()))
			}
		}
	}
	return out, nil
}

func (d *Dir) info(kind, key string) Info {
	path := d.entryPath(kind, key)
	info := Info{Kind: kind, Key: key}
	if st, err := os.Stat(path + lockSuffix); err == nil {
		info.Used = st.ModTime()
	}
	m, err := readManifest(path)
	if err != nil {
		return info
	}
	info.Bytes, info.Built, info.Whole = m.size(), m.Built, m.checkSizes(path) == nil
	return info
}

// Remove deletes the entry kind/key. Its error is an *InUseError while a
// process holds the entry; an entry that is not there is no error.
func (d *Dir) Remove(kind, key string) error {
	if err := checkName(kind, key); err != nil {
		return err
	}
	lock, err := d.tryLock(kind, key, lockExclusive)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove cache entry: %w", err)
	}
	defer lock.release()
	if err := errors.Join(d.discard(kind, key), d.removeTemps(kind, key)); err != nil {
		return fmt.Errorf("remove cache entry %s/%s: %w", kind, key, err)
	}
	return nil
}

// Sweep deletes what builders left that were killed. It leaves alone what a
// running builder still fills.
func (d *Dir) Sweep() error {
	lefts, err := filepath.Glob(filepath.Join(d.root, "*", tempPrefix("*")+"*"))
	if err != nil {
		return fmt.Errorf("sweep cache: %w", err)
	}
	var errs []error
	for _, left := range lefts {
		kind := filepath.Base(filepath.Dir(left))
		name := strings.TrimPrefix(filepath.Base(left), tempPrefix(""))
		cut := strings.LastIndexByte(name, '-')
		if cut < 0 {
			continue
		}
		lock, err := d.tryLock(kind, name[:cut], lockExclusive)
		var busy *InUseError
		if errors.As(err, &busy) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, d.removeTemps(kind, name[:cut]), lock.release())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sweep cache: %w", err)
	}
	return nil
}

// tempPrefix begins the names of the directories that a builder of key fills;
// os.MkdirTemp adds the digits.
func tempPrefix(key string) string {
	if key == "" {
		return ".tmp-"
	}
	return ".tmp-" + key + "-"
}

// removeTemps deletes what earlier builders of the entry left. The exclusive
// lock must be held.
func (d *Dir) removeTemps(kind, key string) error {
	dir := filepath.Join(d.root, kind)
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		rest, ok := strings.CutPrefix(name.Name(), tempPrefix(key))
		if !ok || slices.ContainsFunc([]byte(rest), func(c byte) bool { return c < '0' || c > '9' }) {
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name.Name())))
	}
	return errors.Join(errs...)
}

// discard deletes the entry if it is there, after moving it out of sight, so
// that a killed discard never leaves half an entry. The exclusive lock must be
// held.
func (d *Dir) discard(kind, key string) error {
	aside, err := os.MkdirTemp(filepath.Join(d.root, kind), tempPrefix(key))
	if err != nil {
		return err
	}
	err = os.Rename(d.entryPath(kind, key), filepath.Join(aside, "old"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(aside))
}
