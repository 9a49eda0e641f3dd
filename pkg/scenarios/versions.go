package scenarios

import (
	"context"
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
)

// writeHow is how a writer's versions leave it.
type writeHow struct {
	mode  string     // of the operations
	flags proto.Flag // of the open, besides wronly and creat; empty is none
	fsync bool
	held  bool  // the file stays open from version to version
	size  int64 // of a version in bytes; 0 is registerSize
	grows bool  // each version is appended, and told by the file's size
}

// The ways of writing.

func byClose() writeHow { return writeHow{mode: history.ModeClose} }

func byAppending() writeHow {
	return writeHow{mode: history.ModeClose, flags: proto.APPEND, size: statUnit, grows: true}
}

func byFsync() writeHow { return writeHow{mode: history.ModeFsync, fsync: true, held: true} }

func byOSync() writeHow { return writeHow{mode: history.ModeOSync, flags: proto.SYNC, held: true} }

func byDirect() writeHow { return writeHow{mode: history.ModeDirect, flags: proto.DIRECT, held: true} }

func unflushed() writeHow { return writeHow{mode: history.ModeUnflushed, held: true} }

// versions writes the numbered versions of one file: v1, v2... It is for one
// goroutine.
type versions struct {
	cell *Cell
	at   *vantage
	in   place // of the file
	file string
	name string // of the lane; empty is the file's
	how  writeHow
	n    int   // versions begun so far
	fd   int64 // the agent's, of a held file
}

func (c *Cell) versions(v *vantage, file string, how writeHow) *versions {
	if how.size == 0 {
		how.size = registerSize
	}
	return &versions{cell: c, at: v, in: c.place(), file: file, how: how}
}

// versionToken is the token of the n-th version of a file.
func versionToken(n int) string { return fmt.Sprintf("v%d", n) }

// latest is the token of the version written last.
func (w *versions) latest() string { return versionToken(w.n) }

func (w *versions) path() string { return w.in.mounted + "/" + w.file }

// onServer is the file's path on the server.
func (w *versions) onServer() string { return w.in.exported + "/" + w.file }

// writer names the lane of the writer's operations.
func (w *versions) writer() string {
	if w.name == "" {
		return "write " + w.file
	}
	return "write " + w.name
}

// lane is the agent's.
func (w *versions) lane() string { return w.cell.Key + " " + w.writer() }

func (w *versions) openFlags() []proto.Flag {
	flags := []proto.Flag{proto.WRONLY, proto.CREAT}
	if w.how.flags != "" {
		flags = append(flags, w.how.flags)
	}
	return flags
}

// open opens the file of a held writer, if it is not open yet.
func (w *versions) open(ctx context.Context) error {
	if !w.how.held || w.fd != 0 {
		return nil
	}
	t, err := w.at.must(ctx, proto.Request{Op: proto.OpOpen, Lane: w.lane(), Path: w.path(), Flags: w.openFlags()})
	w.fd = t.FD
	return err
}

// next writes the next version and notes it.
func (w *versions) next(ctx context.Context) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	w.n++
	t, err := w.at.do(ctx, w.request(w.n))
	if err != nil {
		return err
	}
	return w.note(t, w.n)
}

// request writes version n.
func (w *versions) request(n int) proto.Request {
	req := proto.Request{Op: proto.OpWriteRecord, Lane: w.lane(), Token: versionToken(n), Size: w.how.size, Fsync: w.how.fsync}
	if w.how.held {
		req.FD = w.fd
		return req
	}
	req.Path, req.Flags, req.Close = w.path(), w.openFlags(), true
	return req
}

func (w *versions) note(t agent.Timed, n int) error {
	op := history.Op{
		Client: w.at.machine, Lane: w.writer(), Func: history.Write, File: w.file, Mode: w.how.mode,
		Value: versionToken(n), Size: w.how.size, Result: writeResult(t.Response),
	}
	if w.how.grows {
		op.Size = int64(n) * w.how.size
	}
	w.cell.op(w.at.machine, timedOp(t, op))
	if !t.OK() {
		return fmt.Errorf("write %s of %s on %s: %s", versionToken(n), w.file, w.at.machine, orHung(t.Errno))
	}
	return nil
}

// close closes a held file and notes it.
func (w *versions) close(ctx context.Context) error {
	if w.fd == 0 {
		return nil
	}
	t, err := w.at.do(ctx, proto.Request{Op: proto.OpClose, Lane: w.lane(), FD: w.fd})
	w.fd = 0
	if err != nil {
		return err
	}
	op := history.Op{Client: w.at.machine, Lane: w.writer(), Func: history.Close, File: w.file, Result: history.OK}
	if !t.OK() {
		op.Result = history.Unknown
	}
	w.cell.op(w.at.machine, timedOp(t, op))
	return nil
}

// sizeShown tells the version of a file that grows by its size.
func sizeShown(ev proto.Event) (value, kind string) {
	if ev.Stat == nil {
		return "", history.KindGarbage
	}
	return sizeVersion(ev.Stat.Size)
}

func sizeVersion(size int64) (value, kind string) {
	switch {
	case size == 0:
		return "", history.KindEmpty
	case size%statUnit != 0:
		return "", history.KindTorn
	default:
		return versionToken(int(size / statUnit)), history.KindToken
	}
}

// sizeTruth reads from the server's disk which version a file that grows is.
func (w *versions) sizeTruth(ctx context.Context, server *vantage) error {
	t, err := server.must(ctx, proto.Request{Op: proto.OpStat, Path: w.onServer()})
	if err != nil {
		return err
	}
	op := history.Op{Client: history.ClientDisk, Func: history.Truth, File: w.file, Result: history.OK, Size: t.Stat.Size}
	op.Value, op.Kind = sizeVersion(t.Stat.Size)
	w.cell.op(server.machine, timedOp(t, op))
	return nil
}

// truth reads from the server's disk which version the file is.
func (w *versions) truth(ctx context.Context, server *vantage) error {
	if w.how.grows {
		return w.sizeTruth(ctx, server)
	}
	return w.cell.registerTruth(ctx, server, w.onServer(), w.file)
}
