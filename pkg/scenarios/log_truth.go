package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// maxLog bounds what is read back of a log file, in bytes.
const maxLog = 64 << 20

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
	return c.noteLogTruth("", file, &data, history.Op{OuterInvoke: begin, OuterReturn: agent.Mono()})
}

// diskTruth is logTruth through the server's own agent, which is quicker for
// many small logs. That a log is not there is a truth too.
func (c *Cell) diskTruth(ctx context.Context, server *vantage, file string) error {
	t, err := server.do(ctx, proto.Request{Op: proto.OpReadFile, Path: c.Export.Path + "/" + file, Limit: proto.MaxData, Lane: c.Key})
	switch {
	case err != nil:
		return err
	case t.Errno == "ENOENT":
		op := timedOp(t, history.Op{Client: history.ClientDisk, Func: history.Truth, File: file, Result: history.OK, Kind: history.KindAbsent})
		op.Errno = ""
		c.op(server.machine, op)
		return nil
	case !t.OK():
		return fmt.Errorf("read the truth of %s: %s", file, orHung(t.Errno))
	case t.Cut:
		return fmt.Errorf("read the truth of %s: it has more than %d bytes", file, proto.MaxData)
	}
	return c.noteLogTruth(server.machine, file, bytes.NewReader(t.Data), timedOp(t, history.Op{}))
}

// noteLogTruth notes every stretch of a log as the truth, in file order; at has
// the time at which it was read, on the machine's clock.
func (c *Cell) noteLogTruth(machine, file string, data io.Reader, at history.Op) error {
	if at.Invoke == 0 {
		at.Invoke, at.Return = at.OuterInvoke, at.OuterReturn
	}
	at.Client, at.Func, at.File, at.Result = history.ClientDisk, history.Truth, file, history.OK
	sc := payload.NewScanner(data, 0)
	n := int64(0)
	for ; sc.Scan(); n++ {
		item := sc.Item()
		op := at
		op.Seq, op.Offset, op.Size = n, item.Offset, item.Len
		switch item.Kind {
		case payload.RecordItem:
			op.Kind, op.Value = history.KindToken, recordValue(item.Record)
		case payload.NULItem:
			op.Kind = history.KindNUL
		case payload.PartialItem:
			op.Kind = history.KindPartial
		default:
			op.Kind = history.KindTorn
		}
		c.op(machine, op)
	}
	if n == 0 {
		at.Kind = history.KindEmpty
		c.op(machine, at)
	}
	return sc.Err()
}
