package executor

import (
	"context"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// eventBatch is the most events that are written at once.
const eventBatch = 256

// follow sends a stream's events from number next on, until it ends, the
// session does, or another follow of the same stream takes over.
func (s *session) follow(st *stream, next uint64) {
	ctx, leave := context.WithCancel(s.ctx)
	s.mu.Lock()
	if old := s.cursors[st.id]; old != nil {
		old()
	}
	s.cursors[st.id] = leave
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		st.ring.mu.Lock()
		defer st.ring.mu.Unlock()
		st.ring.wake.Broadcast()
	})
	go func() {
		defer leave()
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

// leave sends no more of a stream's events.
func (s *session) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leave := s.cursors[id]; leave != nil {
		leave()
		delete(s.cursors, id)
	}
}
