package executor

import (
	"context"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// eventBatch is the most events that are written at once.
const eventBatch = 256

// cursor is a stream that a session follows.
type cursor struct {
	leave context.CancelFunc
	left  chan struct{} // closed when nothing more is sent
}

// follow sends a stream's events from number next on, until it ends or the
// session leaves it. The session does not follow it yet.
func (s *session) follow(st *stream, next uint64) {
	ctx, leave := context.WithCancel(s.ctx)
	c := &cursor{leave: leave, left: make(chan struct{})}
	s.mu.Lock()
	s.cursors[st.id] = c
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		st.ring.mu.Lock()
		defer st.ring.mu.Unlock()
		st.ring.wake.Broadcast()
	})
	go func() {
		defer leave()
		defer close(c.left)
		gone := func() bool { return ctx.Err() != nil }
		for {
			events := st.ring.from(next, eventBatch, gone)
			if len(events) == 0 {
				return
			}
			next = events[len(events)-1].N + 1
			s.sendEvents(events)
		}
	}()
}

// leave stops following a stream; after it no more of its events are sent.
func (s *session) leave(id string) {
	s.mu.Lock()
	c := s.cursors[id]
	delete(s.cursors, id)
	s.mu.Unlock()
	if c != nil {
		c.leave()
		<-c.left
	}
}

// sendEvents writes the events in one piece.
func (s *session) sendEvents(events []proto.Event) {
	var lines []byte
	for _, ev := range events {
		line, err := proto.Encode(ev)
		if err != nil {
			line, err = proto.Encode(proto.Event{Stream: ev.Stream, N: ev.N, Lost: ev.Lost, T0: ev.T0, T1: ev.T1, Errno: ev.Errno, Note: err.Error()})
		}
		if err == nil {
			lines = append(lines, line...)
		}
	}
	s.write(lines)
}
