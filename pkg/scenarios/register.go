package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// registerSize is the size of a register file in bytes: two pages, so that a
// torn one can be told.
const registerSize = 8192

// maxLog bounds what is read back of a log file, in bytes.
const maxLog = 64 << 20

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

// readRegister opens, reads and closes path on v as one operation, notes it
// for file, and returns the token that was read, "" for anything else.
func (c *Cell) readRegister(ctx context.Context, v *vantage, path, file string) (string, error) {
	t, err := v.do(ctx, proto.Request{
		Op: proto.OpReadRecord, Lane: c.Key, Path: path, Flags: []proto.Flag{proto.RDONLY}, Close: true,
	})
	if err != nil {
		return "", err
	}
	op := timedOp(t, history.Op{Client: v.machine, Lane: c.Key, Func: history.Read, File: file, Mode: history.ModeReopen})
	setRead(&op, t.Response)
	c.op(v.machine, op)
	return op.Value, nil
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

// recordValue names a log record in a history.
func recordValue(r payload.Record) string { return fmt.Sprintf("%s#%d", r.Client, r.Seq) }

// logTruth reads a log from the server's disk by SFTP and notes every stretch
// of it as the truth, in file order.
func (c *Cell) logTruth(ctx context.Context, node *sshnode.Node, path, file string) error {
	var data bytes.Buffer
	begin := agent.Mono()
	if err := node.Get(ctx, path, &data, maxLog); err != nil {
		return fmt.Errorf("read the truth of %s: %w", file, err)
	}
	end := agent.Mono()
	sc := payload.NewScanner(&data, 0)
	for n := int64(0); sc.Scan(); n++ {
		item := sc.Item()
		op := history.Op{
			Client: history.ClientDisk, Func: history.Truth, File: file, Seq: n,
			Offset: item.Offset, Size: item.Len, Result: history.OK,
			OuterInvoke: begin, OuterReturn: end, Invoke: begin, Return: end,
		}
		switch item.Kind {
		case payload.RecordItem:
			op.Kind, op.Value = history.KindToken, recordValue(item.Record)
		case payload.NULItem:
			op.Kind = history.KindNUL
		default:
			op.Kind = history.KindTorn
		}
		c.op("", op)
	}
	return sc.Err()
}
