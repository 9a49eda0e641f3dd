package executor

import (
	"errors"
	"slices"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
	"golang.org/x/sys/unix"
)

// How a poller takes what it reads.
const (
	decodeRegister = "register"
	decodeLog      = "log"
	decodeNone     = "none"
)

// poller looks at one file, in one way, again and again.
type poller struct {
	stream *stream
	file   held
	decode string
	buf    []byte
	log    logView
	seen   changes
}

// newPoller returns the work of a stream that looks.
func newPoller(s *stream) (runner, error) {
	p := &poller{stream: s, decode: orElse(s.spec.Decode, decodeRegister), buf: aligned(firstRead)}
	p.file = held{stream: s, flags: readFlags}
	if err := oneOf("decode", p.decode, decodeRegister, decodeLog, decodeNone); err != nil {
		return nil, err
	}
	look, err := p.looker()
	if err != nil {
		return nil, err
	}
	return func(s *stream) string {
		defer p.file.close(&chain{})
		return p.rounds(look)
	}, nil
}

// looker is what one round of the mode does.
func (p *poller) looker() (func(*chain) proto.Event, error) {
	switch p.stream.spec.Mode {
	case proto.PollStat:
		return p.stat, nil
	case proto.PollLookup:
		return p.lookup, nil
	case proto.PollReaddir:
		return p.readdir, nil
	case proto.PollFstat:
		return p.held(p.fstat), nil
	case proto.PollReopen:
		return p.reopen, nil
	case proto.PollHeldRO:
		return p.held(p.read), nil
	case proto.PollHeldRW:
		p.file.flags = unix.O_RDWR | unix.O_CLOEXEC
		return p.held(p.read), nil
	case proto.PollDirect:
		if p.decode == decodeLog {
			return nil, errors.New("a direct poller cannot decode a log: its reads begin at pages")
		}
		p.file.flags |= unix.O_DIRECT
		return p.held(p.read), nil
	case proto.PollLocked:
		if p.stream.spec.Lock == "none" {
			p.stream.spec.Lock = "posix"
		}
		return p.held(p.lockedRead), nil
	}
	return nil, oneOf("mode", p.stream.spec.Mode, proto.PollStat, proto.PollFstat, proto.PollHeldRO, proto.PollHeldRW,
		proto.PollReopen, proto.PollLookup, proto.PollReaddir, proto.PollDirect, proto.PollLocked)
}

func (p *poller) rounds(look func(*chain) proto.Event) (reason string) {
	s := p.stream
	pace := newPace(s)
	for {
		if reason := pace.next(); reason != "" {
			s.setLast(p.seen.run)
			return reason
		}
		c := &chain{}
		ev := look(c)
		all := composed(c.steps)
		ev.T0, ev.T1, ev.Errno, ev.Call = all.T0, all.T1, all.Errno, all.Call
		s.count(ev.Errno, ev.Seq)
		if !s.spec.ChangesOnly {
			s.emit(ev)
		} else if p.seen.differs(&ev) {
			s.emit(ev)
		}
		if ev.Errno == "" {
			continue
		}
		switch s.spec.OnError {
		case "stop":
			s.setLast(p.seen.run)
			return reasonError
		case "reopen":
			p.file.close(&chain{})
		}
	}
}

// setLast puts the rounds since the last change into the totals.
func (s *stream) setLast(run *proto.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Last = run
}

// held is a look at the descriptor that stays open. The first successful open
// is no part of the round.
func (p *poller) held(look func(*chain) proto.Event) func(*chain) proto.Event {
	return func(c *chain) proto.Event {
		opening := &chain{}
		p.file.open(opening)
		if opening.failed {
			c.steps, c.failed = opening.steps, true
			return proto.Event{}
		}
		return look(c)
	}
}

func (p *poller) stat(c *chain) (ev proto.Event) {
	c.add(func() (s proto.Step) {
		ev.Stat, s = p.stream.thread.statPath(p.stream.spec.Path, false)
		return s
	})
	return ev
}

func (p *poller) fstat(c *chain) (ev proto.Event) {
	c.add(func() (s proto.Step) {
		ev.Stat, s = p.stream.thread.fstatFD(p.file.fd)
		return s
	})
	return ev
}

func (p *poller) lookup(c *chain) proto.Event {
	c.add(func() proto.Step {
		return p.stream.thread.do("access", func() error { return unix.Access(p.stream.spec.Path, unix.F_OK) })
	})
	return proto.Event{}
}

func (p *poller) readdir(c *chain) (ev proto.Event) {
	names, _, steps := p.stream.thread.list(p.stream.spec.Path)
	for _, s := range steps {
		c.always(func() proto.Step { return s })
	}
	if c.failed {
		return ev
	}
	ev.Count = int64(len(names))
	if p.stream.spec.Name != "" {
		_, found := slices.BinarySearch(names, p.stream.spec.Name)
		ev.Found = &found
	}
	return ev
}

func (p *poller) reopen(c *chain) proto.Event {
	p.file.open(c)
	ev := p.read(c)
	p.file.close(c)
	return ev
}

func (p *poller) lockedRead(c *chain) (ev proto.Event) {
	p.file.locked(c, "read", func() { ev = p.read(c) })
	return ev
}

// read reads and decodes the open file.
func (p *poller) read(c *chain) (ev proto.Event) {
	t := p.stream.thread
	if p.decode == decodeLog {
		c.add(func() proto.Step { return t.pread(p.file.fd, p.buf, p.log.offset) })
		if last := len(c.steps) - 1; !c.failed {
			p.log.take(p.buf[:c.steps[last].N], &ev)
		}
		return ev
	}
	var data []byte
	c.add(func() (s proto.Step) {
		data, s = t.readAll(p.file.fd, p.buf, proto.MaxRegister)
		return s
	})
	if c.failed {
		return ev
	}
	p.buf = data[:cap(data)]
	ev.Bytes = int64(len(data))
	if p.decode == decodeRegister {
		v := payload.Decode(data)
		ev.Value = &v
	}
	return ev
}
