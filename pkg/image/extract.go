package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// wanted maps files of the root file system to files of the cache entry. The
// patterns are path.Match's.
func wanted() map[string]string {
	return map[string]string{
		"boot/vmlinuz-*":                fileKernel,
		"boot/initrd.img":               fileInitrd,
		"usr/bin/busybox":               fileBusybox,
		"usr/share/nfsim-packages.list": filePackages,
	}
}

// extract copies files, given as wanted does, out of the archive of a root file
// system.
func extract(archive, out string, files map[string]string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := extractFrom(f, out, files); err != nil {
		return fmt.Errorf("take files out of the root file system: %w", err)
	}
	return nil
}

func extractFrom(r io.Reader, out string, files map[string]string) error {
	missing := maps.Clone(files)
	tr := tar.NewReader(r)
	for len(missing) > 0 {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if hdr.Typeflag != tar.TypeReg {
			continue
		}
		name := path.Clean(strings.TrimPrefix(hdr.Name, "./"))
		for pattern, file := range missing {
			ok, err := path.Match(pattern, name)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := writeFile(filepath.Join(out, file), tr, os.FileMode(hdr.Mode).Perm()); err != nil {
				return err
			}
			delete(missing, pattern)
			break
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var names []string
	for pattern := range missing {
		names = append(names, pattern)
	}
	slices.Sort(names)
	return fmt.Errorf("no %s in it", strings.Join(names, ", no "))
}

func writeFile(to string, r io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
