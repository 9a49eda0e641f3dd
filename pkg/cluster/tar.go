package cluster

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// tarTime stamps every entry, so that equal files make equal archives. It is
// neither zero, which systemd takes for "unknown", nor in any guest's future.
func tarTime() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }

// WriteTar writes the files as a tar archive to be unpacked at / as root:
// sorted, parents before children, relative names, owner 0:0. The same files
// give the same bytes. Parents that the list does not name get the mode they
// have in Debian (0700 for /root, else 0755), because unpacking resets it.
// Errors are those of w, of reading a Source, and of a list that names a path
// twice or puts a file below something that is no directory.
func WriteTar(w io.Writer, files []File) error {
	entries, err := withParents(files)
	if err != nil {
		return fmt.Errorf("write seed archive: %w", err)
	}
	tw := tar.NewWriter(w)
	for _, f := range entries {
		if err := writeEntry(tw, f); err != nil {
			return fmt.Errorf("write %s to seed archive: %w", f.Path, err)
		}
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("finish seed archive: %w", err)
	}
	return nil
}

func withParents(files []File) ([]File, error) {
	byPath := make(map[string]File, len(files))
	for _, f := range files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
			return nil, fmt.Errorf("%q is not a clean absolute path", f.Path)
		}
		if _, twice := byPath[f.Path]; twice {
			return nil, fmt.Errorf("%s is there twice", f.Path)
		}
		byPath[f.Path] = f
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "/"; dir = path.Dir(dir) {
			parent, known := byPath[dir]
			if known && !parent.Mode.IsDir() {
				return nil, fmt.Errorf("%s is below %s, which is no directory", f.Path, dir)
			}
			if !known {
				byPath[dir] = directory(dir, debianMode(dir))
			}
		}
	}
	out := make([]File, 0, len(byPath))
	for _, f := range byPath {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func debianMode(dir string) fs.FileMode {
	if dir == "/root" {
		return 0o700
	}
	return 0o755
}

func writeEntry(tw *tar.Writer, f File) error {
	header := &tar.Header{
		Name:    strings.TrimPrefix(f.Path, "/"),
		Mode:    int64(f.Mode.Perm()),
		ModTime: tarTime(),
	}
	switch {
	case f.Mode.IsDir():
		header.Typeflag = tar.TypeDir
		header.Name += "/"
		return tw.WriteHeader(header)
	case f.Link != "":
		header.Typeflag = tar.TypeSymlink
		header.Linkname = f.Link
		return tw.WriteHeader(header)
	case f.Source != "":
		return writeSource(tw, header, f.Source)
	}
	header.Typeflag = tar.TypeReg
	header.Size = int64(len(f.Content))
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err := tw.Write(f.Content)
	return err
}

func writeSource(tw *tar.Writer, header *tar.Header, source string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header.Typeflag = tar.TypeReg
	header.Size = info.Size()
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(tw, in)
	return err
}
