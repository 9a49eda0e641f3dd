package executor

import (
	"errors"
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// openFile is a descriptor that a request opened.
type openFile struct {
	fd   int
	path string
}

// openFlags turns flag names into those of open(2).
func openFlags(flags []proto.Flag) (int, error) {
	bits := unix.O_CLOEXEC
	for _, f := range flags {
		bit, ok := flagBit(f)
		if !ok {
			return 0, fmt.Errorf("unknown open flag %q", f)
		}
		bits |= bit
	}
	return bits, nil
}

func flagBit(f proto.Flag) (int, bool) {
	switch f {
	case proto.RDONLY:
		return unix.O_RDONLY, true
	case proto.WRONLY:
		return unix.O_WRONLY, true
	case proto.RDWR:
		return unix.O_RDWR, true
	case proto.CREAT:
		return unix.O_CREAT, true
	case proto.EXCL:
		return unix.O_EXCL, true
	case proto.TRUNC:
		return unix.O_TRUNC, true
	case proto.APPEND:
		return unix.O_APPEND, true
	case proto.SYNC:
		return unix.O_SYNC, true
	case proto.DSYNC:
		return unix.O_DSYNC, true
	case proto.DIRECT:
		return unix.O_DIRECT, true
	case proto.DIRECTORY:
		return unix.O_DIRECTORY, true
	case proto.NONBLOCK:
		return unix.O_NONBLOCK, true
	case proto.NOFOLLOW:
		return unix.O_NOFOLLOW, true
	}
	return 0, false
}

// openAt opens path; fd is -1 when that fails.
func (t *thread) openAt(path string, flags int, mode uint32) (fd int, s proto.Step) {
	fd = -1
	s = t.do("open", func() (err error) {
		fd, err = unix.Open(path, flags, mode)
		return err
	})
	if s.Errno != "" {
		fd = -1
	}
	return fd, s
}

func (t *thread) closeFD(fd int) proto.Step {
	return t.do("close", func() error {
		if err := unix.Close(fd); !errors.Is(err, unix.EINTR) {
			return err
		}
		return nil // Linux has freed the descriptor: close(2)
	})
}

func fileMode(req proto.Request) uint32 {
	if req.Mode == 0 {
		return 0o666
	}
	return req.Mode
}

func (a *Agent) open(t *thread, req proto.Request) (proto.Response, error) {
	flags, err := openFlags(req.Flags)
	if err != nil {
		return proto.Response{}, err
	}
	if req.Path == "" {
		return proto.Response{}, errors.New("open needs a path")
	}
	fd, s := t.openAt(req.Path, flags, fileMode(req))
	resp := result(s)
	if fd >= 0 {
		resp.FD = a.fds.add(&openFile{fd: fd, path: req.Path})
	}
	return resp, nil
}

func (a *Agent) close(t *thread, req proto.Request) (proto.Response, error) {
	f, err := a.fds.take(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	return result(t.closeFD(f.fd)), nil
}

func (a *Agent) read(t *thread, req proto.Request) (proto.Response, error) {
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	if req.Size <= 0 || req.Size > proto.MaxData {
		return proto.Response{}, fmt.Errorf("read of %d bytes is not within 1 to %d", req.Size, proto.MaxData)
	}
	buf := aligned(int(req.Size))
	s := t.pread(f.fd, buf, req.Offset)
	resp := result(s)
	setBytes(&resp, buf[:s.N], req.Decode)
	return resp, nil
}

// pread is one pread(2) of at most len(buf) bytes.
func (t *thread) pread(fd int, buf []byte, offset int64) proto.Step {
	n := 0
	s := t.do("read", func() (err error) {
		n, err = unix.Pread(fd, buf, offset)
		return err
	})
	s.N = int64(max(n, 0))
	return s
}

func (a *Agent) write(t *thread, req proto.Request) (proto.Response, error) {
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	data, err := contents(req)
	if err != nil {
		return proto.Response{}, err
	}
	return result(t.pwrite(f.fd, data, req.Offset)), nil
}

// pwrite is one pwrite(2); what the kernel leaves over is not written again,
// and the step says SHORT_WRITE.
func (t *thread) pwrite(fd int, data []byte, offset int64) proto.Step {
	n := 0
	s := t.do("write", func() (err error) {
		n, err = unix.Pwrite(fd, data, offset)
		return err
	})
	s.N = int64(max(n, 0))
	if s.Errno == "" && n < len(data) {
		s.Errno = proto.ShortWrite
	}
	return s
}

func (a *Agent) sync(t *thread, req proto.Request) (proto.Response, error) {
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	return result(t.syncFD(f.fd, string(req.Op))), nil
}

// syncFD is fsync(2) or fdatasync(2), by name.
func (t *thread) syncFD(fd int, call string) proto.Step {
	return t.do(call, func() error {
		if call == string(proto.OpFdatasync) {
			return unix.Fdatasync(fd)
		}
		return unix.Fsync(fd)
	})
}

func (a *Agent) truncate(t *thread, req proto.Request) (proto.Response, error) {
	if req.FD == 0 {
		return result(t.do("truncate", func() error { return unix.Truncate(req.Path, req.Size) })), nil
	}
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	return result(t.do("ftruncate", func() error { return unix.Ftruncate(f.fd, req.Size) })), nil
}

func (a *Agent) fstat(t *thread, req proto.Request) (proto.Response, error) {
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	st, s := t.fstatFD(f.fd)
	resp := result(s)
	resp.Stat = st
	return resp, nil
}
