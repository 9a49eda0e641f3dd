package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
)

// registerSize is the size of a register file in bytes: two pages, so that a
// torn one can be told.
const registerSize = 8192

// writeRegister opens, writes and closes path on v as one operation, and
// notes it for file.
func (c *Cell) writeRegister(ctx context.Context, v *vantage, path, file, token string, flags ...proto.Flag) error {
	t, err := v.do(ctx, proto.Request{
		Op: proto.OpWriteRecord, Lane: c.Key, Path: path, Flags: flags,
		Token: token, Size: registerSize, Close: true,
	})
	if err != nil {
		return err
	}
	c.op(v.machine, timedOp(t, history.Op{
		Client: v.machine, Lane: c.Key, Func: history.Write, File: file, Mode: history.ModeClose,
		Value: token, Size: registerSize, Result: writeResult(t.Response),
	}))
	if !t.OK() {
		return fmt.Errorf("write %s on %s: %s", file, v.machine, orHung(t.Errno))
	}
	return nil
}

// readHow is how one read of a register is done.
type readHow struct {
	mode  string     // of the operation
	flag  proto.Flag // of the open, besides rdonly; empty is none
	under bool       // a POSIX read lock is held around the read
}

// The ways of reading: each opens, reads and closes.

func byReopen() readHow { return readHow{mode: history.ModeReopen} }

func byDirectRead() readHow { return readHow{mode: history.ModeDirect, flag: proto.DIRECT} }

func byReadUnderLock() readHow { return readHow{mode: history.ModeLocked, under: true} }

// readRegister opens, reads and closes path on v as one operation, notes it
// for file, and returns the token that was read, "" for anything else.
func (c *Cell) readRegister(ctx context.Context, v *vantage, path, file string) (string, error) {
	return c.readRegisterAs(ctx, v, path, file, byReopen())
}

// readRegisterAs is readRegister in a way of reading.
func (c *Cell) readRegisterAs(ctx context.Context, v *vantage, path, file string, how readHow) (string, error) {
	t, err := c.lookAtRegister(ctx, v, path, how)
	if err != nil {
		return "", err
	}
	op := timedOp(t, history.Op{Client: v.machine, Lane: c.Key, Func: history.Read, File: file, Mode: how.mode})
	setRead(&op, t.Response)
	c.op(v.machine, op)
	return op.Value, nil
}

// lookAtRegister returns the answer of the read, with the times of all that
// belongs to it.
func (c *Cell) lookAtRegister(ctx context.Context, v *vantage, path string, how readHow) (agent.Timed, error) {
	flags := []proto.Flag{proto.RDONLY}
	if how.flag != "" {
		flags = append(flags, how.flag)
	}
	if !how.under {
		return v.do(ctx, proto.Request{Op: proto.OpReadRecord, Lane: c.Key, Path: path, Flags: flags, Close: true})
	}
	opened, err := v.do(ctx, proto.Request{Op: proto.OpOpen, Lane: c.Key, Path: path, Flags: flags})
	if err != nil || !opened.OK() {
		return opened, err
	}
	locked, err := v.do(ctx, proto.Request{Op: proto.OpLock, Lane: c.Key, FD: opened.FD, Lock: &proto.Lock{Kind: "posix", Type: "read", Wait: true}})
	read := locked
	if err == nil && locked.OK() {
		read, err = v.do(ctx, proto.Request{Op: proto.OpReadRecord, Lane: c.Key, FD: opened.FD})
	}
	// Closing the descriptor gives the lock back.
	closed, closeErr := v.do(ctx, proto.Request{Op: proto.OpClose, Lane: c.Key, FD: opened.FD})
	read.T0, read.Invoked = opened.T0, opened.Invoked
	read.T1, read.Returned = closed.T1, closed.Returned
	return read, errors.Join(err, closeErr)
}

// timedOp puts both intervals of an answer into op.
func timedOp(t agent.Timed, op history.Op) history.Op {
	op.Invoke, op.Return = t.T0, t.T1
	op.OuterInvoke, op.OuterReturn = t.Invoked, t.Returned
	op.Errno = t.Errno
	if t.Hung {
		op.Return, op.OuterReturn = 0, 0
	}
	return op
}

// writeResult says whether a write happened. One that failed late may have
// reached the server all the same.
func writeResult(r proto.Response) string {
	switch {
	case r.OK():
		return history.OK
	case r.Call == "open":
		return history.Fail
	default:
		return history.Unknown
	}
}

// setRead puts what was read into op.
func setRead(op *history.Op, r proto.Response) {
	switch {
	case r.Hung:
		op.Result = history.Unknown
	case r.Errno == "ENOENT":
		op.Result, op.Kind, op.Errno = history.OK, history.KindAbsent, ""
	case r.Errno != "" || r.Value == nil:
		op.Result = history.Fail
	default:
		op.Result = history.OK
		op.Value, op.Kind = decoded(*r.Value)
		op.Size = r.Value.Size
	}
}

// decoded names what a register held in the words of a history.
func decoded(v payload.Value) (value, kind string) {
	switch v.Kind {
	case payload.Token:
		return v.Token, history.KindToken
	case payload.Empty:
		return "", history.KindEmpty
	case payload.NUL:
		return "", history.KindNUL
	case payload.Torn:
		names := make([]string, len(v.Tokens))
		for i, s := range v.Tokens {
			names[i] = s.Token
		}
		return strings.Join(names, ","), history.KindTorn
	case payload.Short:
		return v.Token, history.KindTorn
	default:
		return "", history.KindGarbage
	}
}

// registerTruth reads a register from the server's disk, past every NFS
// client, and notes it as the truth.
func (c *Cell) registerTruth(ctx context.Context, server *vantage, path, file string) error {
	t, err := server.must(ctx, proto.Request{Op: proto.OpReadFile, Path: path, Decode: "register"})
	if err != nil {
		return err
	}
	op := timedOp(t, history.Op{Client: history.ClientDisk, Func: history.Truth, File: file})
	setRead(&op, t.Response)
	c.op(server.machine, op)
	return nil
}
