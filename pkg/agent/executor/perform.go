package executor

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// perform does what the request asks for, sessions apart. An error of a
// handler means that the request made no sense.
func (a *Agent) perform(t *task) proto.Response {
	if t.req.Op == proto.OpStop {
		return a.stop(t)
	}
	handle := a.handler(t.req.Op)
	if handle == nil {
		return refuse(fmt.Errorf("unknown op %q", t.req.Op))
	}
	resp, err := handle(t.thread, t.req)
	if err != nil {
		return refuse(err)
	}
	return resp
}

type handler func(*thread, proto.Request) (proto.Response, error)

func (a *Agent) handler(op proto.Op) handler {
	switch op {
	case proto.OpOpen:
		return a.open
	case proto.OpClose:
		return a.close
	case proto.OpRead:
		return a.read
	case proto.OpWrite:
		return a.write
	case proto.OpFsync, proto.OpFdatasync:
		return a.sync
	case proto.OpTruncate:
		return a.truncate
	case proto.OpFstat:
		return a.fstat
	case proto.OpLock:
		return a.lock
	case proto.OpMap:
		return a.mmap
	case proto.OpStore:
		return a.store
	case proto.OpLoad:
		return a.load
	case proto.OpMsync:
		return a.msync
	case proto.OpUnmap:
		return a.unmap
	case proto.OpWriteRecord:
		return a.writeRecord
	case proto.OpReadRecord:
		return a.readRecord
	case proto.OpReadFile:
		return readFile
	case proto.OpStat, proto.OpLstat:
		return stat
	case proto.OpAccess, proto.OpRename, proto.OpUnlink, proto.OpMkdir, proto.OpRmdir:
		return name
	case proto.OpReaddir:
		return readdir
	case proto.OpStatfs:
		return statfs
	case proto.OpStart:
		return a.start
	case proto.OpStreams:
		return a.listStreams
	case proto.OpInfo:
		return info
	case proto.OpMountinfo:
		return mountinfo
	case proto.OpNop:
		return nop
	case proto.OpExit:
		return a.exit
	}
	return nil
}

// result is the answer that one call makes.
func result(s proto.Step) proto.Response {
	resp := proto.Response{T0: s.T0, T1: s.T1, Errno: s.Errno, N: s.N}
	if s.Errno != "" {
		resp.Call = s.Call
	}
	return resp
}

// composed is the answer that several calls make: from the first one's start
// to the last one's return, and the first failure.
func composed(steps []proto.Step) proto.Response {
	resp := proto.Response{Steps: steps}
	if len(steps) == 0 {
		return resp
	}
	resp.T0, resp.T1 = steps[0].T0, steps[len(steps)-1].T1
	for _, s := range steps {
		if s.Errno != "" {
			resp.Errno, resp.Call = s.Errno, s.Call
			break
		}
	}
	return resp
}

func nop(*thread, proto.Request) (proto.Response, error) { return proto.Response{}, nil }
