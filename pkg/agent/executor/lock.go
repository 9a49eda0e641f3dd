package executor

import (
	"errors"
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

func (a *Agent) lock(t *thread, req proto.Request) (proto.Response, error) {
	if req.Lock == nil {
		return proto.Response{}, errors.New("lock needs a lock")
	}
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	s, err := t.lockFD(f.fd, *req.Lock)
	return result(s), err
}

// lockFD does one lock operation. The error is for one that makes no sense.
func (t *thread) lockFD(fd int, l proto.Lock) (proto.Step, error) {
	call := l.Type
	if call != "unlock" {
		call = "lock"
	}
	switch l.Kind {
	case "flock":
		how, ok := flockType(l.Type)
		if !ok {
			return proto.Step{}, fmt.Errorf("unknown lock type %q", l.Type)
		}
		if !l.Wait {
			how |= unix.LOCK_NB
		}
		return t.do(call, func() error { return unix.Flock(fd, how) }), nil
	case "posix", "ofd":
		kind, ok := fcntlType(l.Type)
		if !ok {
			return proto.Step{}, fmt.Errorf("unknown lock type %q", l.Type)
		}
		arg := unix.Flock_t{Type: kind, Whence: unix.SEEK_SET, Start: l.Start, Len: l.Len}
		return t.do(call, func() error { return unix.FcntlFlock(uintptr(fd), fcntlCommand(l), &arg) }), nil
	}
	return proto.Step{}, fmt.Errorf("unknown lock kind %q: want posix, ofd or flock", l.Kind)
}

func fcntlCommand(l proto.Lock) int {
	switch {
	case l.Kind == "ofd" && l.Wait:
		return unix.F_OFD_SETLKW
	case l.Kind == "ofd":
		return unix.F_OFD_SETLK
	case l.Wait:
		return unix.F_SETLKW
	}
	return unix.F_SETLK
}

func fcntlType(t string) (int16, bool) {
	switch t {
	case "read":
		return unix.F_RDLCK, true
	case "write":
		return unix.F_WRLCK, true
	case "unlock":
		return unix.F_UNLCK, true
	}
	return 0, false
}

func flockType(t string) (int, bool) {
	switch t {
	case "read":
		return unix.LOCK_SH, true
	case "write":
		return unix.LOCK_EX, true
	case "unlock":
		return unix.LOCK_UN, true
	}
	return 0, false
}
