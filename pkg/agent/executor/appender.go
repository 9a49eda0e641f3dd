package executor

import (
	"errors"
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
	"golang.org/x/sys/unix"
)

// newAppender returns the work of a stream that appends one record a round. A
// round is open when it must, lock when asked for, write, sync, unlock, close
// when asked for; it is acknowledged when all of that succeeded.
func newAppender(s *stream) (runner, error) {
	size := int(orElse(s.spec.Size, payload.DefaultRecord))
	if _, err := (payload.Record{Client: s.spec.Client, Seq: s.spec.StartSeq}).Append(nil, size); err != nil {
		return nil, err
	}
	if s.spec.Mode != "" {
		return nil, errors.New("an appender has no modes")
	}
	return func(s *stream) string {
		file := held{stream: s, flags: writeFlags(s.spec) | unix.O_APPEND}
		defer file.close(&chain{})
		return s.rounds(func(seq int64, c *chain) proto.Event {
			data, err := payload.Record{Client: s.spec.Client, Seq: seq}.Append(aligned(size)[:0], size)
			if err != nil {
				c.always(func() proto.Step { return proto.Step{Call: "encode", Errno: err.Error()} })
			}
			file.open(c)
			file.locked(c, "write", func() {
				c.add(func() proto.Step { return s.thread.pwrite(file.fd, data, 0) })
				file.sync(c)
			})
			if s.spec.Sync == "close" {
				file.close(c)
			}
			return proto.Event{Client: s.spec.Client, Seq: seq, Bytes: int64(size)}
		}, func() { file.close(&chain{}) })
	}, nil
}

// writeFlags are those of a writing stream's open.
func writeFlags(spec proto.StreamSpec) int {
	flags := unix.O_WRONLY | unix.O_CLOEXEC
	if !spec.NoCreate {
		flags |= unix.O_CREAT
	}
	if spec.Sync == "osync" {
		flags |= unix.O_SYNC
	}
	if spec.Direct {
		flags |= unix.O_DIRECT
	}
	return flags
}

// rounds runs the rounds of a stream that writes: one number each, with the
// next one tried after a success, and after a failure only when the
// specification says so. reopen is called after a failure that asks for it.
func (s *stream) rounds(round func(seq int64, c *chain) proto.Event, reopen func()) (reason string) {
	p := newPace(s)
	seq := s.spec.StartSeq
	for {
		if reason := p.next(); reason != "" {
			return reason
		}
		c := &chain{}
		ev := round(seq, c)
		all := composed(c.steps)
		ev.T0, ev.T1, ev.Errno, ev.Call = all.T0, all.T1, all.Errno, all.Call
		if s.spec.WithSteps {
			ev.Steps = all.Steps
		}
		s.count(ev.Errno, seq)
		s.emit(ev)
		if ev.Errno == "" {
			seq++
			continue
		}
		if s.spec.OnError == "stop" {
			return reasonError
		}
		if s.spec.OnError == "reopen" {
			reopen()
		}
		wait := p.again
		if s.spec.Advance {
			seq++
			wait = p.rest
		}
		if reason := wait(); reason != "" {
			return reason
		}
	}
}

// checkSize says why size bytes cannot be a register's.
func checkSize(client string, seq, size int64) error {
	if size > proto.MaxRegister {
		return fmt.Errorf("register of %d bytes is larger than %d", size, proto.MaxRegister)
	}
	_, err := payload.Register(token(client, seq), seq, int(size))
	return err
}

// token is the unique value of a writer's round.
func token(client string, seq int64) string { return fmt.Sprintf("%s-%d", client, seq) }
