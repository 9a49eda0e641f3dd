package executor

import (
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// held is a file that a stream keeps open from round to round.
type held struct {
	stream *stream
	path   string // empty: the stream's
	flags  int
	isOpen bool
	fd     int
}

// open opens the file unless it is open.
func (h *held) open(c *chain) {
	if h.isOpen {
		return
	}
	path := orElse(h.path, h.stream.spec.Path)
	c.add(func() (s proto.Step) {
		h.fd, s = h.stream.thread.openAt(path, h.flags, 0o666)
		h.isOpen = h.fd >= 0
		return s
	})
}

// close closes the file, if it is open, even after a failure.
func (h *held) close(c *chain) {
	if !h.isOpen {
		return
	}
	h.isOpen = false
	c.always(func() proto.Step { return h.stream.thread.closeFD(h.fd) })
}

// sync does what the stream's Sync says.
func (h *held) sync(c *chain) {
	if s := h.stream.spec.Sync; s == "fsync" || s == "fdatasync" {
		c.add(func() proto.Step { return h.stream.thread.syncFD(h.fd, s) })
	}
}

// locked does f under the stream's kind of lock, or without one.
func (h *held) locked(c *chain, how string, f func()) {
	kind := h.stream.spec.Lock
	if kind == "none" {
		f()
		return
	}
	lock := func(how string) proto.Step {
		s, err := h.stream.thread.lockFD(h.fd, proto.Lock{Kind: kind, Type: how, Wait: true})
		if err != nil {
			s.Errno = err.Error()
		}
		return s
	}
	c.add(func() proto.Step { return lock(how) })
	if c.failed {
		return
	}
	f()
	c.always(func() proto.Step { return lock("unlock") })
}

// readFlags are those of a poller's open.
const readFlags = unix.O_RDONLY | unix.O_CLOEXEC
