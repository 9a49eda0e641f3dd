package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/payload"
)

// lookAround reads the pod's log from every vantage point, one after the
// other, and notes up to which record each of them sees it without a gap.
func (b *Batch) lookAround(ctx context.Context, w *workload) error {
	c := w.cell
	for _, l := range []struct {
		client string
		v      *vantage
		path   string
	}{
		// The pod's own mount, past the kubelet.
		{w.records(), b.on(w.at), fmt.Sprintf("/proc/%d/root%s", w.pid, w.path())},
		{secondName, b.on(b.Other), c.mountPoint() + "/" + w.file()},
		{history.ClientDisk, b.on(b.server()), c.Export.Path + "/" + w.file()},
	} {
		t, err := l.v.do(ctx, proto.Request{Op: proto.OpReadFile, Path: l.path, Decode: "log", Lane: c.Key + l.client})
		if err != nil {
			return err
		}
		op := timedOp(t, history.Op{Client: l.client, Result: history.Fail})
		if t.OK() && t.Log != nil {
			op.Result, op.Size, op.Seq = history.OK, t.Size, contiguous(*t.Log, w.records())
		}
		c.noteLook(l.v.machine, w.file(), op)
	}
	return b.lookAtWire(ctx, w)
}

// lookAtWire reads the log with the client that caches nothing.
func (b *Batch) lookAtWire(ctx context.Context, w *workload) error {
	c := w.cell
	node, err := b.node(ctx, b.server())
	if err != nil {
		return err
	}
	wire := nfs.Observer{Dial: node.Dial, Host: "127.0.0.1"}
	op := history.Op{Client: history.ClientWire, Result: history.Fail, OuterInvoke: agent.Mono()}
	data, _, readErr := wire.ReadFile(ctx, c.Export.Path, w.file(), maxLog)
	op.OuterReturn = agent.Mono()
	op.Invoke, op.Return = op.OuterInvoke, op.OuterReturn
	if readErr != nil {
		c.now("wire", "read-failed", w.file(), readErr.Error())
	} else {
		summary, err := payload.Summarize(bytes.NewReader(data))
		if err != nil {
			return err
		}
		op.Result, op.Size, op.Seq = history.OK, int64(len(data)), contiguous(summary, w.records())
	}
	c.noteLook("", w.file(), op)
	return nil
}

func (c *Cell) noteLook(machine, file string, op history.Op) {
	// One lane for each file: the pods of a cell are looked at side by side.
	op.Lane, op.Func, op.File, op.Mode = "look/"+file, history.Read, file, history.ModeReopen
	c.op(machine, op)
}

// contiguous is up to which record of a client a log has all from the first on.
func contiguous(s payload.LogSummary, name string) int64 {
	client := s.Clients[name]
	if client == nil || len(client.Ranges) == 0 || client.Ranges[0].From > 1 {
		return 0
	}
	return client.Ranges[0].To
}

// mountsKept says whether the volume, and the pod's subPath of it, is still
// mounted where the kubelet put it, and whether the container still has it.
func (b *Batch) mountsKept(ctx context.Context, w *workload) (host, container bool, err error) {
	v := b.on(w.at)
	bound := w.subMount == ""
	for _, table := range []struct {
		pid    int
		target string
		kept   *bool
	}{
		{1, w.hostMount, &host},
		{1, w.subMount, &bound},
		{w.pid, w.plan.mountPath(), &container},
	} {
		if table.target == "" {
			continue
		}
		t, err := v.do(ctx, proto.Request{Op: proto.OpMountinfo, PID: table.pid})
		if err != nil {
			return false, false, err
		}
		if !t.OK() {
			continue // the process is gone, and its mounts with it
		}
		mounts, err := nfs.ParseMountinfo(strings.NewReader(t.Text))
		if err != nil {
			return false, false, err
		}
		m, ok := nfs.FindMount(mounts, table.target)
		*table.kept = ok && m.IsNFS()
	}
	return host && bound, container, nil
}
