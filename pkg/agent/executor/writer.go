package executor

import (
	"errors"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// defaultRegister is a writer's size in bytes: more than one page.
const defaultRegister = 8192

// How a writer replaces the value.
const (
	writeTrunc   = "trunc"   // open with O_TRUNC, write, sync, close
	writeInPlace = "inplace" // open once, write at 0, sync
	writeRename  = "rename"  // write another file, sync, close, rename it over
)

// newWriter returns the work of a stream that replaces a register each round.
func newWriter(s *stream) (runner, error) {
	mode := orElse(s.spec.Mode, writeTrunc)
	if err := oneOf("mode", mode, writeTrunc, writeInPlace, writeRename); err != nil {
		return nil, err
	}
	size := orElse(s.spec.Size, defaultRegister)
	if err := checkSize(s.spec.Client, s.spec.StartSeq, size); err != nil {
		return nil, err
	}
	if mode == writeRename && s.spec.Lock != "none" {
		return nil, errors.New("a writer that renames takes no lock")
	}
	return func(s *stream) string {
		w := &writer{stream: s, size: int(size), mode: mode}
		w.file = held{stream: s, flags: writeFlags(s.spec)}
		switch mode {
		case writeTrunc:
			if s.spec.Lock == "none" {
				w.file.flags |= unix.O_TRUNC
			}
		case writeRename:
			w.file.path = s.spec.Path + ".new"
			w.file.flags |= unix.O_TRUNC
		}
		defer w.file.close(&chain{})
		return s.rounds(w.round, func() { w.file.close(&chain{}) })
	}, nil
}

type writer struct {
	stream *stream
	file   held
	size   int
	mode   string
}

func (w *writer) round(seq int64, c *chain) proto.Event {
	s := w.stream
	name := token(s.spec.Client, seq)
	data, err := contents(proto.Request{Token: name, Seq: seq, Size: int64(w.size)})
	if err != nil {
		c.always(func() proto.Step { return proto.Step{Call: "encode", Errno: err.Error()} })
	}
	w.file.open(c)
	w.file.locked(c, "write", func() {
		if w.mode == writeTrunc && s.spec.Lock != "none" {
			c.add(w.truncate) // O_TRUNC would cut the file before the lock is held
		}
		c.add(func() proto.Step { return s.thread.pwrite(w.file.fd, data, 0) })
		w.file.sync(c)
	})
	if w.mode != writeInPlace || s.spec.Sync == "close" {
		w.file.close(c)
	}
	if w.mode == writeRename {
		c.add(func() proto.Step {
			return s.thread.do("rename", func() error { return unix.Rename(w.file.path, s.spec.Path) })
		})
	}
	return proto.Event{Client: s.spec.Client, Seq: seq, Token: name, Bytes: int64(len(data))}
}

func (w *writer) truncate() proto.Step {
	return w.stream.thread.do("ftruncate", func() error { return unix.Ftruncate(w.file.fd, 0) })
}
