package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// maxQueued bounds the events that wait in the controller for their reader;
// what comes beyond is dropped, and counted in the next event's Lost.
const maxQueued = 1 << 20

// Stream is something that an agent does by itself and reports on. It is only
// a view: the stream goes on without it.
type Stream struct {
	id     string
	client *Client
	events chan proto.Event
	gone   chan struct{} // closed by Leave

	mu     sync.Mutex
	wake   *sync.Cond
	queue  []proto.Event
	lost   uint64
	closed bool // nothing more comes
	left   bool
	end    *proto.StreamEnd
	err    error
}

// ID is the stream's name in the agent, for Attach.
func (s *Stream) ID() string { return s.id }

// Events delivers the events in order and is closed after the last one: when
// the stream has ended (then End says how), or the session has (then Err says
// why). Event.End never comes here.
func (s *Stream) Events() <-chan proto.Event { return s.events }

// End returns the stream's totals, once it has ended.
func (s *Stream) End() (proto.StreamEnd, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		return proto.StreamEnd{}, false
	}
	return *s.end, true
}

// Err is why the events stopped before the stream's end; nil otherwise.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stop ends the stream and returns its totals, also of one that ended before.
// A stream whose last call hangs is a *HungError; its events go on until that
// call returns.
func (s *Stream) Stop(ctx context.Context) (proto.StreamEnd, error) {
	if end, ok := s.End(); ok {
		return end, nil
	}
	resp, err := s.client.Do(ctx, proto.Request{Op: proto.OpStop, Stream: s.id})
	if err != nil {
		return proto.StreamEnd{}, err
	}
	if resp.Hung {
		return proto.StreamEnd{}, &HungError{Agent: s.client.name, Response: resp}
	}
	if resp.End == nil {
		return proto.StreamEnd{}, fmt.Errorf("stop stream %s of %s: no totals in the answer", s.id, s.client.name)
	}
	return *resp.End, nil
}

// Leave ends the view: Events is closed, whatever was not read is dropped, and
// the agent is told to send no more. The stream itself goes on.
func (s *Stream) Leave(ctx context.Context) error {
	s.client.mu.Lock()
	if s.client.streams[s.id] == s {
		delete(s.client.streams, s.id)
	}
	s.client.mu.Unlock()
	s.leave()
	if s.client.Err() != nil {
		return nil //nolint:nilerr // a session that is over sends no more
	}
	_, err := s.client.Do(ctx, proto.Request{Op: proto.OpDetach, Stream: s.id})
	return err
}

// HungError is a call that did not return in time.
type HungError struct {
	Agent    string
	Response proto.Response // with Call, TID, WChan, Stack
}

func (e *HungError) Error() string {
	return fmt.Sprintf("agent of %s: %s hangs in %s", e.Agent, e.Response.Call, e.Response.WChan)
}

// StartStream starts what req.Start says and follows it from its first event.
// The stream's id is req.Stream, or the agent's choice.
func (c *Client) StartStream(ctx context.Context, req proto.Request) (*Stream, error) {
	req.Op = proto.OpStart
	return c.follow(ctx, req)
}

// Attach follows a stream that runs already, in whatever session it was
// started, from event number from on; 0 is the oldest that is kept. Events that
// are no longer kept are counted in the first one's Lost.
func (c *Client) Attach(ctx context.Context, id string, from uint64) (*Stream, error) {
	return c.follow(ctx, proto.Request{Op: proto.OpAttach, Stream: id, From: from})
}

func (c *Client) follow(ctx context.Context, req proto.Request) (*Stream, error) {
	s := &Stream{client: c, events: make(chan proto.Event), gone: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	_, resp, _, err := c.exchange(ctx, req, s)
	if err != nil {
		return nil, err
	}
	if resp.Hung {
		return nil, fmt.Errorf("%s stream: %w", req.Op, &HungError{Agent: c.name, Response: resp})
	}
	if resp.Stream == "" {
		return nil, fmt.Errorf("%s stream of %s: the agent names no stream", req.Op, c.name)
	}
	if err := c.Err(); err != nil {
		s.cut(err)
	}
	go s.pump()
	return s, nil
}

// put queues an event for the reader.
func (s *Stream) put(ev proto.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return
	case ev.End != nil:
		s.end, s.closed = ev.End, true
	case len(s.queue) >= maxQueued:
		s.lost += 1 + ev.Lost
	default:
		ev.Lost += s.lost
		s.lost = 0
		s.queue = append(s.queue, ev)
	}
	s.wake.Signal()
}

// cut ends the stream's events after those that are queued.
func (s *Stream) cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed, s.err = true, err
		s.wake.Signal()
	}
}

func (s *Stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.left {
		s.left, s.closed = true, true
		close(s.gone)
		s.wake.Signal()
	}
}

// pump moves events from the queue to the channel.
func (s *Stream) pump() {
	defer close(s.events)
	for {
		batch, ok := s.take()
		if !ok {
			return
		}
		for _, ev := range batch {
			select {
			case s.events <- ev:
			case <-s.gone:
				return
			}
		}
	}
}

func (s *Stream) take() ([]proto.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.wake.Wait()
	}
	if s.left || len(s.queue) == 0 {
		return nil, false
	}
	batch := s.queue
	s.queue = nil
	return batch, true
}
