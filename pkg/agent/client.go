// Package agent is the controller's side of nfsim-agent, the helper that does
// file operations on a node and in a pod, with clocks and errno.
//
//	c, err := agent.Dial(ctx, node, agent.Options{})
//	defer c.Close()
//	resp, err := c.Do(ctx, proto.Request{Op: proto.OpStat, Path: "/mnt/a/f", TimeoutMS: 2000})
//	if resp.Errno == "ESTALE" { ... }
//
// A Client is one session and safe for use by many goroutines. What a system
// call answers is a result, in Response.Errno; Go errors are for the transport,
// the protocol and the context.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// Client is one session with an agent.
type Client struct {
	name string
	rw   io.ReadWriteCloser

	writing chan struct{} // holds one token while a line is being written

	mu      sync.Mutex
	nextID  int64
	waiting map[int64]*pending
	streams map[string]*Stream
	err     error         // why the session ended
	done    chan struct{} // closed when it has
}

// pending is a request that has no answer, or only the one that it hangs.
type pending struct {
	answered chan answer // buffered, one
	late     chan answer // buffered, one
	hung     bool
	stream   *Stream // to register under the id in the answer; nil for most
}

type answer struct {
	resp     proto.Response
	received int64 // controller's clock
}

// RequestError is a request that the agent refused without doing anything.
type RequestError struct {
	Agent string
	Op    proto.Op
	Msg   string
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("agent of %s refused %s: %s", e.Agent, e.Op, e.Msg)
}

// SessionError is a session that is over: the transport broke, or the agent
// sent what is not the protocol. What was asked and not answered may or may
// not have happened.
type SessionError struct {
	Agent string
	Err   error
}

func (e *SessionError) Error() string { return fmt.Sprintf("agent of %s: %v", e.Agent, e.Err) }

func (e *SessionError) Unwrap() error { return e.Err }

// ErrClosed is a session that Close ended.
var ErrClosed = errors.New("session is closed")

// lastWrite is how long Close waits for a line that is being written.
const lastWrite = time.Second

// New returns a client of the agent at the other end of rw, which it closes in
// the end. The name stands in errors: a node or a pod.
func New(rw io.ReadWriteCloser, name string) *Client {
	c := &Client{
		name:    name,
		rw:      rw,
		waiting: map[int64]*pending{},
		streams: map[string]*Stream{},
		writing: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	go c.receive()
	return c
}

// Name is what New was given.
func (c *Client) Name() string { return c.name }

// Done is closed when the session is over; Err says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is nil while the session lives, then a *SessionError.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session. A `listen` agent and its streams go on; a `stdio`
// agent ends.
func (c *Client) Close() error {
	c.fail(ErrClosed)
	return c.shut()
}

// shut closes the transport, after the line that is being written.
func (c *Client) shut() error {
	late := time.NewTimer(lastWrite)
	defer late.Stop()
	select {
	case c.writing <- struct{}{}:
	case <-late.C:
	}
	return c.rw.Close()
}

// Do sends one request and waits for its answer; the ID is filled in, and the
// TimeoutMS, when it is 0 and ctx has a deadline, so that the agent answers
// before that. The error is a *RequestError, a *SessionError or the context's. A call that
// hangs is an answer: Response.Hung, with ID for AwaitLate.
func (c *Client) Do(ctx context.Context, req proto.Request) (proto.Response, error) {
	_, resp, _, err := c.exchange(ctx, req, nil)
	return resp, err
}

// Timed is an answer with the controller's clock around it, in nanoseconds:
// just before the request was sent and just after the answer was received.
type Timed struct {
	proto.Response
	Invoked  int64
	Returned int64
}

// DoTimed is Do with the controller's clock around it, for verdicts.
func (c *Client) DoTimed(ctx context.Context, req proto.Request) (Timed, error) {
	sent, resp, received, err := c.exchange(ctx, req, nil)
	return Timed{Response: resp, Invoked: sent, Returned: received}, err
}

// exchange returns the controller's clock before sending and at receiving. The
// stream, if any, gets the events of the one that the answer names, from the
// first on.
func (c *Client) exchange(ctx context.Context, req proto.Request, stream *Stream) (sent int64, resp proto.Response, received int64, err error) {
	p := &pending{answered: make(chan answer, 1), late: make(chan answer, 1), stream: stream}
	if req.TimeoutMS == 0 {
		req.TimeoutMS = timeoutMS(ctx)
	}
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, resp, 0, c.err
	}
	c.nextID++
	req.ID = c.nextID
	c.waiting[req.ID] = p
	c.mu.Unlock()

	line, err := proto.Encode(req)
	if err != nil {
		c.forget(req.ID)
		return 0, resp, 0, fmt.Errorf("ask agent of %s for %s: %w", c.name, req.Op, err)
	}
	sent = mono.Now()
	if err := c.send(ctx, line); err != nil {
		c.forget(req.ID)
		return sent, resp, mono.Now(), err
	}
	select {
	case a := <-p.answered:
		return c.settle(sent, req, a)
	case <-ctx.Done():
		c.forget(req.ID)
		return sent, resp, mono.Now(), fmt.Errorf("wait for agent of %s to %s: %w", c.name, req.Op, context.Cause(ctx))
	case <-c.done:
		select {
		case a := <-p.answered:
			return c.settle(sent, req, a)
		default:
		}
		c.forget(req.ID)
		return sent, resp, mono.Now(), c.Err()
	}
}

func (c *Client) settle(sent int64, req proto.Request, a answer) (int64, proto.Response, int64, error) {
	if !a.resp.Hung {
		c.forget(req.ID)
	}
	if a.resp.Error != "" {
		return sent, a.resp, a.received, &RequestError{Agent: c.name, Op: req.Op, Msg: a.resp.Error}
	}
	return sent, a.resp, a.received, nil
}

// AwaitLate waits for the real answer to a request that was answered as hung.
// A request whose late answer was taken, or that never hung, is an error.
func (c *Client) AwaitLate(ctx context.Context, id int64) (proto.Response, error) {
	c.mu.Lock()
	p := c.waiting[id]
	hung := p != nil && p.hung
	c.mu.Unlock()
	if !hung {
		return proto.Response{}, fmt.Errorf("await late answer of %s: request %d is not hung", c.name, id)
	}
	select {
	case a := <-p.late:
		c.forget(id)
		return a.resp, nil
	case <-ctx.Done():
		return proto.Response{}, fmt.Errorf("await late answer of %s to request %d: %w", c.name, id, context.Cause(ctx))
	case <-c.done:
		select {
		case a := <-p.late:
			c.forget(id)
			return a.resp, nil
		default:
		}
		return proto.Response{}, c.Err()
	}
}

// timeoutMS is the agent's deadline for a request that ctx bounds, in ms: a
// little earlier, so that the agent's own answer arrives. 0 when ctx has none.
func timeoutMS(ctx context.Context) int64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	left := time.Until(deadline).Milliseconds()
	return min(max(1, left-min(1000, left/4)), proto.DefaultTimeoutMS)
}

// send writes one line. A write that blocks past ctx ends the session, since
// half a line may be out.
func (c *Client) send(ctx context.Context, line []byte) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("send request to agent of %s: %w", c.name, context.Cause(ctx))
	case <-c.done:
		return c.Err()
	}
	if err := c.Err(); err != nil {
		<-c.writing
		return err
	}
	written := make(chan error, 1)
	go func() {
		defer func() { <-c.writing }()
		_, err := c.rw.Write(line)
		written <- err
	}()
	select {
	case err := <-written:
		if err == nil {
			return nil
		}
		c.fail(fmt.Errorf("send request: %w", err))
	case <-ctx.Done():
		c.fail(fmt.Errorf("send request: %w", context.Cause(ctx)))
		go func() { _ = c.shut() }()
	case <-c.done:
	}
	return c.Err()
}

func (c *Client) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// fail ends the session once.
func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = &SessionError{Agent: c.name, Err: err}
	for _, s := range c.streams {
		s.cut(c.err)
	}
	close(c.done)
}

func (c *Client) receive() {
	lines := proto.NewLineReader(c.rw)
	for {
		line, err := lines.Next()
		received := mono.Now()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("agent is gone: %w", io.ErrUnexpectedEOF)
			}
			c.fail(err)
			return
		}
		msg, err := proto.DecodeMessage(line)
		if err != nil {
			c.fail(err)
			_ = c.shut()
			return
		}
		c.dispatch(msg, received)
	}
}

func (c *Client) dispatch(msg proto.Message, received int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case msg.Event != nil:
		if s := c.streams[msg.Event.Stream]; s != nil {
			s.put(*msg.Event)
		}
	case msg.Late != nil:
		if p := c.waiting[msg.Late.Late]; p != nil {
			select {
			case p.late <- answer{*msg.Late, received}:
			default:
			}
		}
	case msg.Response != nil:
		if p := c.waiting[msg.Response.ID]; p != nil {
			p.hung = msg.Response.Hung
			if p.stream != nil && msg.Response.Stream != "" {
				c.adopt(p.stream, msg.Response.Stream)
			}
			select {
			case p.answered <- answer{*msg.Response, received}:
			default:
			}
		}
	}
}

// adopt makes s the one view of stream id; the caller holds c.mu.
func (c *Client) adopt(s *Stream, id string) {
	if old := c.streams[id]; old != nil {
		old.cut(fmt.Errorf("stream %s of %s was attached again", id, c.name))
	}
	s.id = id
	c.streams[id] = s
}
