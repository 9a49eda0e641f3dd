package executor

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

// lastAnswers is how long a session waits for the answers that are still due
// when its input has ended.
const lastAnswers = 5 * time.Second

// session is one peer.
type session struct {
	agent *Agent
	lanes *lanes

	// ctx ends with the session, and end ends both: no answer or event is sent
	// after it.
	ctx context.Context
	end context.CancelCauseFunc

	out sync.Mutex // one line at a time
	w   io.Writer

	pending sync.WaitGroup

	// following is held while a stream is begun or ceased to be followed: each
	// is followed once.
	following sync.Mutex

	mu        sync.Mutex
	unsettled int
	cursors   map[string]*cursor // streams that are followed
}

// Serve answers the requests that come from r until it ends, and then those
// that are still open for five seconds more. The error is the reader's or the
// writer's, nil at the end of input. Streams go on.
func (a *Agent) Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &session{agent: a, lanes: newLanes(), ctx: ctx, end: cancel, w: w, cursors: map[string]*cursor{}}
	if err := s.read(proto.NewLineReader(r)); !errors.Is(err, io.EOF) {
		return err
	}
	s.awaitAnswers()
	return context.Cause(ctx)
}

func (s *session) read(lines *proto.LineReader) error {
	for s.ctx.Err() == nil {
		line, err := lines.Next()
		if err != nil {
			return err
		}
		arrived := mono.Now()
		req, err := proto.DecodeRequest(line)
		if err != nil {
			s.send(proto.Response{ID: req.ID, Error: err.Error()})
			continue
		}
		s.accept(req, arrived)
	}
	return context.Cause(s.ctx)
}

// awaitAnswers waits until nothing is due or time is up.
func (s *session) awaitAnswers() {
	all := make(chan struct{})
	go func() {
		s.pending.Wait()
		close(all)
	}()
	enough := time.NewTimer(lastAnswers)
	defer enough.Stop()
	select {
	case <-all:
	case <-enough.C:
	case <-s.ctx.Done():
	}
}

// accept starts one request.
func (s *session) accept(req proto.Request, arrived int64) {
	if req.Op == proto.OpMono {
		s.send(proto.Response{ID: req.ID, T0: arrived, T1: mono.Now()})
		return
	}
	s.mu.Lock()
	full := s.unsettled >= proto.MaxPending
	if !full {
		s.unsettled++
	}
	s.mu.Unlock()
	if full {
		s.send(proto.Response{ID: req.ID, Error: fmt.Sprintf("more than %d requests without an answer", proto.MaxPending)})
		return
	}
	s.pending.Add(1)
	t := newTask(req, s.send, func() {
		s.mu.Lock()
		s.unsettled--
		s.mu.Unlock()
		s.pending.Done()
	})
	if req.Lane == "" {
		go s.run(t)
		return
	}
	s.lanes.add(t, s.run)
}

// run does a task in a thread of its own.
func (s *session) run(t *task) {
	defer t.thread.lock()()
	t.begin()
	switch t.req.Op {
	case proto.OpStart:
		s.refollow(t, s.agent.perform(t), 1)
	case proto.OpAttach:
		s.refollow(t, proto.Response{Stream: t.req.Stream}, max(t.req.From, 1))
	case proto.OpDetach:
		s.following.Lock()
		defer s.following.Unlock()
		s.leave(t.req.Stream)
		t.finish(proto.Response{Stream: t.req.Stream})
	default:
		t.finish(s.agent.perform(t))
	}
}

// refollow answers with a stream and sends its events from number next on: the
// first of them after the answer, and after it none that an earlier request
// asked for.
func (s *session) refollow(t *task, resp proto.Response, next uint64) {
	if resp.Error != "" {
		t.finish(resp)
		return
	}
	st, err := s.agent.stream(resp.Stream)
	if err != nil {
		t.finish(refuse(err))
		return
	}
	s.following.Lock()
	defer s.following.Unlock()
	s.leave(st.id)
	t.finish(resp)
	s.follow(st, next)
}

// send sends an answer; one that does not fit a line is replaced by the reason.
func (s *session) send(resp proto.Response) {
	line, err := proto.Encode(resp)
	if err != nil {
		line, err = proto.Encode(proto.Response{ID: resp.ID, Late: resp.Late, T0: resp.T0, T1: resp.T1, Error: err.Error()})
	}
	if err == nil {
		s.write(line)
	}
}

// write writes whole lines. After the first failure the session is over.
func (s *session) write(lines []byte) {
	s.out.Lock()
	defer s.out.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	if _, err := s.w.Write(lines); err != nil {
		s.end(fmt.Errorf("write answer: %w", err))
	}
}
