package executor

import (
	"errors"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
	"golang.org/x/sys/unix"
)

// writeRecord opens, writes, syncs and closes as asked for. After a failed
// call the rest is left out, but what this request opened is always closed.
func (a *Agent) writeRecord(t *thread, req proto.Request) (proto.Response, error) {
	data, err := contents(req)
	if err != nil {
		return proto.Response{}, err
	}
	if len(req.Flags) == 0 {
		req.Flags = []proto.Flag{proto.WRONLY, proto.CREAT, proto.TRUNC}
	}
	return a.withFile(t, req, func(fd int, c *chain) {
		c.add(func() proto.Step { return t.pwrite(fd, data, req.Offset) })
		if req.Fsync {
			c.add(func() proto.Step { return t.syncFD(fd, "fsync") })
		}
	})
}

// readRecord opens, reads all and closes.
func (a *Agent) readRecord(t *thread, req proto.Request) (proto.Response, error) {
	var value *payload.Value
	resp, err := a.withFile(t, req, func(fd int, c *chain) {
		c.add(func() proto.Step {
			data, s := t.readAll(fd, aligned(firstRead), proto.MaxRegister)
			if s.Errno == "" {
				v := payload.Decode(data)
				value = &v
			}
			return s
		})
	})
	resp.Value = value
	return resp, err
}

// chain is calls of which each is only made when those before succeeded.
type chain struct {
	steps  []proto.Step
	failed bool
}

func (c *chain) add(f func() proto.Step) {
	if c.failed {
		return
	}
	c.always(f)
}

// always makes the call even after a failure.
func (c *chain) always(f func() proto.Step) {
	s := f()
	c.steps = append(c.steps, s)
	c.failed = c.failed || s.Errno != ""
}

// withFile lets use work on the request's FD, or on its Path, opened for it.
// A file that is not closed in the end is answered as FD.
func (a *Agent) withFile(t *thread, req proto.Request, use func(fd int, c *chain)) (proto.Response, error) {
	c := &chain{}
	number, fd := req.FD, -1
	if req.FD != 0 {
		f, err := a.fds.get(req.FD)
		if err != nil {
			return proto.Response{}, err
		}
		fd = f.fd
	} else {
		if req.Path == "" {
			return proto.Response{}, errors.New("neither fd nor path is given")
		}
		flags, err := openFlags(req.Flags)
		if err != nil {
			return proto.Response{}, err
		}
		c.add(func() (s proto.Step) {
			fd, s = t.openAt(req.Path, flags, fileMode(req))
			return s
		})
	}
	if fd < 0 {
		return composed(c.steps), nil
	}
	use(fd, c)
	var st *proto.Stat
	if req.WithStat {
		c.add(func() (s proto.Step) {
			st, s = t.fstatFD(fd)
			return s
		})
	}
	switch {
	case req.Close && req.FD != 0:
		if _, err := a.fds.take(req.FD); err != nil {
			return proto.Response{}, err
		}
		fallthrough
	case req.Close, req.FD == 0 && c.failed:
		c.always(func() proto.Step { return t.closeFD(fd) })
		number = 0
	case req.FD == 0:
		number = a.fds.add(&openFile{fd: fd, path: req.Path})
	}
	resp := composed(c.steps)
	resp.FD, resp.Stat = number, st
	for _, s := range c.steps {
		if s.Call == "read" || s.Call == "write" {
			resp.N = s.N
		}
	}
	return resp, nil
}

// firstRead is the length of a first read in bytes: most registers fit.
const firstRead = 64 << 10

// readAll reads from the file's beginning to its end, at most limit bytes,
// into buf or, when that is too small, a longer one. It is one step, and one
// call when all fits.
func (t *thread) readAll(fd int, buf []byte, limit int64) ([]byte, proto.Step) {
	var n int
	s := t.do("read", func() error {
		for {
			want := len(buf) - n
			got, err := unix.Pread(fd, buf[n:], int64(n))
			if err != nil {
				return err
			}
			n += max(got, 0)
			if got < want || int64(n) >= limit {
				return nil
			}
			next := aligned(2 * len(buf))
			copy(next, buf[:n])
			buf = next
		}
	})
	s.N = int64(n)
	return buf[:n], s
}
