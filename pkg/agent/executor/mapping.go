package executor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// maxMapping bounds a mapping, in bytes.
const maxMapping = proto.MaxRegister

// mapping is a shared mapping of a file and a memory file to copy through.
//
// Go code must not touch the mapping itself: a page fault that waits for the
// server would stop the garbage collector, and so the agent, and one that the
// server refuses is a signal. Copying with read(2) and write(2) takes the same
// faults inside of a system call.
type mapping struct {
	mem []byte
	via int // memfd
}

func (a *Agent) mmap(t *thread, req proto.Request) (proto.Response, error) {
	f, err := a.fds.get(req.FD)
	if err != nil {
		return proto.Response{}, err
	}
	if req.Size <= 0 || req.Size > maxMapping {
		return proto.Response{}, fmt.Errorf("mapping of %d bytes is not within 1 to %d", req.Size, maxMapping)
	}
	prot := unix.PROT_READ
	if slices.Contains(req.Flags, proto.RDWR) {
		prot |= unix.PROT_WRITE
	}
	m := &mapping{via: -1}
	s := t.do("mmap", func() (err error) {
		m.mem, err = unix.Mmap(f.fd, req.Offset, int(req.Size), prot, unix.MAP_SHARED)
		return err
	})
	resp := result(s)
	if s.Errno != "" {
		return resp, nil
	}
	if m.via, err = unix.MemfdCreate("nfsim-map", unix.MFD_CLOEXEC); err != nil {
		return proto.Response{}, errors.Join(fmt.Errorf("make memory file: %w", err), unix.Munmap(m.mem))
	}
	resp.Map = a.maps.add(m)
	return resp, nil
}

// within is the part of the mapping from offset on, size bytes long.
func (m *mapping) within(offset, size int64) ([]byte, error) {
	if offset < 0 || size <= 0 || offset > int64(len(m.mem)) || size > int64(len(m.mem))-offset {
		return nil, fmt.Errorf("%d bytes at %d are not within the mapping's %d", size, offset, len(m.mem))
	}
	return m.mem[offset : offset+size], nil
}

func (a *Agent) store(t *thread, req proto.Request) (proto.Response, error) {
	m, err := a.maps.get(req.Map)
	if err != nil {
		return proto.Response{}, err
	}
	data, err := contents(req)
	if err != nil {
		return proto.Response{}, err
	}
	part, err := m.within(req.Offset, int64(len(data)))
	if err != nil {
		return proto.Response{}, err
	}
	if _, err := unix.Pwrite(m.via, data, req.Offset); err != nil {
		return proto.Response{}, fmt.Errorf("fill memory file: %w", err)
	}
	return result(t.copyAll("store", part, func(b []byte, done int64) (int, error) {
		return unix.Pread(m.via, b, req.Offset+done)
	})), nil
}

func (a *Agent) load(t *thread, req proto.Request) (proto.Response, error) {
	m, err := a.maps.get(req.Map)
	if err != nil {
		return proto.Response{}, err
	}
	if req.Size > proto.MaxData {
		return proto.Response{}, fmt.Errorf("load of %d bytes is more than %d", req.Size, proto.MaxData)
	}
	part, err := m.within(req.Offset, req.Size)
	if err != nil {
		return proto.Response{}, err
	}
	s := t.copyAll("load", part, func(b []byte, done int64) (int, error) {
		return unix.Pwrite(m.via, b, req.Offset+done)
	})
	resp := result(s)
	buf := make([]byte, s.N)
	if _, err := unix.Pread(m.via, buf, req.Offset); err != nil {
		return proto.Response{}, fmt.Errorf("read memory file: %w", err)
	}
	setBytes(&resp, buf, req.Decode)
	return resp, nil
}

// copyAll copies part in as few calls as the kernel makes it. EFAULT is a page
// that could not be had.
func (t *thread) copyAll(call string, part []byte, f func(b []byte, done int64) (int, error)) proto.Step {
	var done int64
	s := t.do(call, func() error {
		for done < int64(len(part)) {
			n, err := f(part[done:], done)
			if err != nil {
				return err
			}
			if n == 0 {
				return unix.EFAULT
			}
			done += int64(n)
		}
		return nil
	})
	s.N = done
	return s
}

func (a *Agent) msync(t *thread, req proto.Request) (proto.Response, error) {
	m, err := a.maps.get(req.Map)
	if err != nil {
		return proto.Response{}, err
	}
	return result(t.do("msync", func() error { return unix.Msync(m.mem, unix.MS_SYNC) })), nil
}

func (a *Agent) unmap(t *thread, req proto.Request) (proto.Response, error) {
	m, err := a.maps.take(req.Map)
	if err != nil {
		return proto.Response{}, err
	}
	s := t.do("munmap", func() error { return unix.Munmap(m.mem) })
	return result(s), unix.Close(m.via)
}
