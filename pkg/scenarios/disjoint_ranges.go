package scenarios

import (
	"context"
	"errors"
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/payload"
)

const (
	// pageSize is the page of the machines' processors, in bytes.
	pageSize = 4096
	// slotSize is what each side writes at a time, in bytes; the sides take turns
	// in the slots of one page.
	slotSize = 256
)

// disjointWriters returns a race of two writers into disjoint ranges of one
// page that both have in their caches. The writes are those of a mode: with an
// fsync each, or through descriptors with O_SYNC.
func (b *Batch) disjointWriters(mode string) func(ctx context.Context, c *Cell, file string) error {
	return func(ctx context.Context, c *Cell, file string) (err error) {
		flags := []proto.Flag{proto.RDWR}
		if mode == history.ModeOSync {
			flags = append(flags, proto.SYNC)
		}
		if err := b.zeroPage(ctx, c, file); err != nil {
			return err
		}
		sides := b.sides()
		fds := make([]int64, len(sides))
		defer func() {
			err = errors.Join(err, atOnce(len(sides), func(i int) error { return sides[i].closeFD(context.WithoutCancel(ctx), fds[i]) }))
		}()
		for i, side := range sides {
			if fds[i], err = side.openAndLook(ctx, c.mountPoint()+"/"+file, flags); err != nil {
				return err
			}
		}
		for seq := int64(1); seq <= pageSize/slotSize/int64(len(sides)); seq++ {
			err := atOnce(len(sides), func(i int) error {
				return c.writeRecord(ctx, sides[i], placed{
					file: file, mode: mode, record: payload.Record{Client: sides[i].machine, Seq: seq}, size: slotSize,
					offset: ((seq-1)*int64(len(sides)) + int64(i)) * slotSize,
				}, proto.Request{FD: fds[i], Fsync: mode == history.ModeFsync})
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// zeroPage makes the file on the server's disk: one page of zeros.
func (b *Batch) zeroPage(ctx context.Context, c *Cell, file string) error {
	server := b.on(b.server())
	path := c.Export.Path + "/" + file
	t, err := server.must(ctx, proto.Request{Op: proto.OpOpen, Path: path, Flags: []proto.Flag{proto.RDWR, proto.CREAT}})
	if err != nil {
		return err
	}
	_, err = server.must(ctx, proto.Request{Op: proto.OpTruncate, FD: t.FD, Size: pageSize})
	return errors.Join(err, server.closeFD(ctx, t.FD))
}

// openAndLook opens a file and reads its first page, so that the client has it
// in its cache.
func (v *vantage) openAndLook(ctx context.Context, path string, flags []proto.Flag) (fd int64, err error) {
	t, err := v.must(ctx, proto.Request{Op: proto.OpOpen, Path: path, Flags: flags})
	if err != nil {
		return 0, err
	}
	got, err := v.must(ctx, proto.Request{Op: proto.OpRead, FD: t.FD, Size: pageSize})
	if err == nil && len(got.Data) != pageSize {
		err = fmt.Errorf("read the first page of %s on %s: %d bytes", path, v.machine, len(got.Data))
	}
	return t.FD, err
}

// closeFD closes what openAndLook or an open request opened; 0 is nothing.
func (v *vantage) closeFD(ctx context.Context, fd int64) error {
	if fd == 0 {
		return nil
	}
	_, err := v.must(ctx, proto.Request{Op: proto.OpClose, FD: fd})
	return err
}
