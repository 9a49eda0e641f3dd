package executor

import (
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// maxNames and maxNameBytes bound a listing.
const (
	maxNames     = 65536
	maxNameBytes = 1 << 20
)

// name does the operations on names alone.
func name(t *thread, req proto.Request) (proto.Response, error) {
	if req.Path == "" {
		return proto.Response{}, fmt.Errorf("%s needs a path", req.Op)
	}
	if req.Op == proto.OpRename && req.To == "" {
		return proto.Response{}, fmt.Errorf("rename needs a new name in \"to\"")
	}
	return result(t.do(string(req.Op), func() error {
		switch req.Op {
		case proto.OpAccess:
			return unix.Access(req.Path, unix.F_OK)
		case proto.OpRename:
			return unix.Rename(req.Path, req.To)
		case proto.OpUnlink:
			return unix.Unlink(req.Path)
		case proto.OpMkdir:
			mode := req.Mode
			if mode == 0 {
				mode = 0o777
			}
			return unix.Mkdir(req.Path, mode)
		}
		return unix.Rmdir(req.Path)
	})), nil
}

func stat(t *thread, req proto.Request) (proto.Response, error) {
	st, s := t.statPath(req.Path, req.Op == proto.OpLstat)
	resp := result(s)
	resp.Stat = st
	return resp, nil
}

// statPath is stat(2) or lstat(2); nil when it fails.
func (t *thread) statPath(path string, lstat bool) (*proto.Stat, proto.Step) {
	var st unix.Stat_t
	call, f := "stat", unix.Stat
	if lstat {
		call, f = "lstat", unix.Lstat
	}
	s := t.do(call, func() error { return f(path, &st) })
	return statOf(&st, s), s
}

func (t *thread) fstatFD(fd int) (*proto.Stat, proto.Step) {
	var st unix.Stat_t
	s := t.do("fstat", func() error { return unix.Fstat(fd, &st) })
	return statOf(&st, s), s
}

func statOf(st *unix.Stat_t, s proto.Step) *proto.Stat {
	if s.Errno != "" {
		return nil
	}
	return &proto.Stat{
		Dev: st.Dev, Ino: st.Ino, Mode: st.Mode, Nlink: uint64(st.Nlink), UID: st.Uid, GID: st.Gid, //nolint:unconvert // Nlink has 32 bits on arm64
		Size: st.Size, MtimeNS: st.Mtim.Nano(), CtimeNS: st.Ctim.Nano(),
	}
}

func statfs(t *thread, req proto.Request) (proto.Response, error) {
	var st unix.Statfs_t
	s := t.do("statfs", func() error { return unix.Statfs(req.Path, &st) })
	resp := result(s)
	if s.Errno == "" {
		resp.Statfs = &proto.Statfs{
			Type: st.Type, Bsize: st.Bsize,
			Blocks: st.Blocks, Bfree: st.Bfree, Files: st.Files, Ffree: st.Ffree,
		}
	}
	return resp, nil
}

func readdir(t *thread, req proto.Request) (proto.Response, error) {
	names, cut, steps := t.list(req.Path)
	resp := composed(steps)
	resp.Names, resp.Cut = names, cut
	return resp, nil
}

// list opens a directory, reads it to its end and closes it. The names are
// sorted; cut says that there were more than fit.
func (t *thread) list(path string) (names []string, cut bool, steps []proto.Step) {
	fd, s := t.openAt(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	steps = append(steps, s)
	if fd < 0 {
		return nil, false, steps
	}
	buf := make([]byte, 64<<10)
	size := 0
	s = t.do("getdents", func() error {
		for {
			n, err := unix.ReadDirent(fd, buf)
			if err != nil || n <= 0 {
				return err
			}
			for rest := buf[:n]; len(rest) > 0; {
				consumed, count, more := unix.ParseDirent(rest, -1, nil)
				if consumed <= 0 {
					break
				}
				rest = rest[consumed:]
				for _, name := range more[:count] {
					if size += len(name) + 4; size > maxNameBytes || len(names) >= maxNames {
						cut = true
						break
					}
					names = append(names, name)
				}
			}
		}
	})
	steps = append(steps, s, t.closeFD(fd))
	slices.Sort(names)
	return names, cut, steps
}
