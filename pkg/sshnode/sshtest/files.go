package sshtest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pkg/sftp"
)

// sftp serves the server's root over the session.
func (s *session) sftp() int {
	f := &files{root: s.conn.server.root, hung: &s.conn.server.filesHung, ended: s.ended}
	srv := sftp.NewRequestServer(s.ch, sftp.Handlers{FileGet: f, FilePut: f, FileCmd: f, FileList: f})
	if err := srv.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return 1
	}
	return 0
}

// files answers SFTP requests from a directory.
type files struct {
	root  *os.Root
	hung  *valve
	ended <-chan struct{}
}

// wait blocks while files hang.
func (f *files) wait() error {
	if !f.hung.pass(f.ended) {
		return fs.ErrClosed
	}
	return nil
}

// name turns the absolute path of a request into one below the root.
func name(p string) string {
	if p = strings.TrimPrefix(p, "/"); p == "" {
		return "."
	}
	return p
}

// Fileread opens a file for reading.
func (f *files) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	if err := f.wait(); err != nil {
		return nil, err
	}
	file, err := f.root.Open(name(r.Filepath))
	if err != nil {
		return nil, err
	}
	return &handle{file, f}, nil
}

// Filewrite opens a file for writing.
func (f *files) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	if err := f.wait(); err != nil {
		return nil, err
	}
	flags := os.O_WRONLY
	p := r.Pflags()
	if p.Creat {
		flags |= os.O_CREATE
	}
	if p.Trunc {
		flags |= os.O_TRUNC
	}
	if p.Excl {
		flags |= os.O_EXCL
	}
	file, err := f.root.OpenFile(name(r.Filepath), flags, 0o644)
	if err != nil {
		return nil, err
	}
	return &handle{file, f}, nil
}

// handle is an open file that hangs with the others.
type handle struct {
	*os.File
	files *files
}

// ReadAt hangs while files hang.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.files.wait(); err != nil {
		return 0, err
	}
	return h.File.ReadAt(p, off)
}

// WriteAt hangs while files hang.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	if err := h.files.wait(); err != nil {
		return 0, err
	}
	return h.File.WriteAt(p, off)
}

// Filecmd changes names and attributes.
func (f *files) Filecmd(r *sftp.Request) error {
	if err := f.wait(); err != nil {
		return err
	}
	p := name(r.Filepath)
	switch r.Method {
	case "Setstat":
		if r.AttrFlags().Size {
			file, err := f.root.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			if err := file.Truncate(int64(r.Attributes().Size)); err != nil {
				return err
			}
		}
		if r.AttrFlags().Permissions {
			return f.root.Chmod(p, r.Attributes().FileMode())
		}
		return nil
	case "Mkdir":
		return f.root.Mkdir(p, 0o755)
	case "Rmdir", "Remove":
		return f.root.Remove(p)
	case "Rename":
		if _, err := f.root.Lstat(name(r.Target)); err == nil {
			return fs.ErrExist // unlike PosixRename
		}
		return f.root.Rename(p, name(r.Target))
	case "Symlink":
		// The request's file is what the link points to.
		return f.root.Symlink(r.Filepath, name(r.Target))
	case "Link":
		return f.root.Link(p, name(r.Target))
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename renames over what is there.
func (f *files) PosixRename(r *sftp.Request) error {
	if err := f.wait(); err != nil {
		return err
	}
	return f.root.Rename(name(r.Filepath), name(r.Target))
}

// Filelist lists directories and answers stat.
func (f *files) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if err := f.wait(); err != nil {
		return nil, err
	}
	p := name(r.Filepath)
	switch r.Method {
	case "List":
		entries, err := fs.ReadDir(f.root.FS(), p)
		if err != nil {
			return nil, err
		}
		var l infos
		for _, e := range entries {
			if info, err := e.Info(); err == nil { // else it has just gone
				l = append(l, info)
			}
		}
		return l, nil
	case "Stat":
		info, err := f.root.Stat(p)
		return infos{info}, err
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// Lstat is stat of the link itself.
func (f *files) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	if err := f.wait(); err != nil {
		return nil, err
	}
	info, err := f.root.Lstat(name(r.Filepath))
	return infos{info}, err
}

// infos is a list that clients read piece by piece.
type infos []fs.FileInfo

// ListAt copies the entries from off on.
func (l infos) ListAt(dst []fs.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(dst, l[off:])
	if n < len(dst) {
		return n, io.EOF
	}
	return n, nil
}
