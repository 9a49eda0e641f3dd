package executor

import (
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// task is one request on its way to its answer. It is answered once, by who
// comes first, the call or the watchdog; if the watchdog was first the call's
// result is sent as late.
type task struct {
	req    proto.Request
	thread *thread // that does the calls
	send   func(proto.Response)

	mu       sync.Mutex
	watched  *thread // that the watchdog looks at: thread, unless the request waits for another
	begun    bool
	answered bool
	watchdog *time.Timer
	settled  func() // called once, with the first answer
}

// timeout is how long the request's calls may take.
func timeout(req proto.Request) time.Duration {
	ms := req.TimeoutMS
	if ms <= 0 {
		ms = proto.DefaultTimeoutMS
	}
	return time.Duration(min(ms, proto.MaxTimeoutMS)) * time.Millisecond
}

// newTask starts the request's clock.
func newTask(req proto.Request, send func(proto.Response), settled func()) *task {
	t := &task{req: req, thread: &thread{}, send: send, settled: settled}
	t.watched = t.thread
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchdog = time.AfterFunc(timeout(req), t.hang)
	return t
}

// begin marks the end of waiting for the lane.
func (t *task) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = true
}

// watch makes the watchdog look at another thread.
func (t *task) watch(other *thread) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched = other
}

// finish sends the result.
func (t *task) finish(resp proto.Response) {
	t.mu.Lock()
	late := t.answered
	t.answered = true
	t.watchdog.Stop()
	t.mu.Unlock()
	if late {
		resp.ID, resp.Late = 0, t.req.ID
		t.send(resp)
		return
	}
	resp.ID = t.req.ID
	t.send(resp)
	t.settled()
}

// hang sends the watchdog's answer.
func (t *task) hang() {
	t.mu.Lock()
	if t.answered {
		t.mu.Unlock()
		return
	}
	t.answered = true
	begun, watched := t.begun, t.watched
	t.mu.Unlock()

	resp := proto.Response{ID: t.req.ID, Hung: true, Queued: !begun}
	if begun {
		addEvidence(&resp, watched)
	}
	t.send(resp)
	t.settled()
}

// addEvidence fills in where the thread hangs.
func addEvidence(resp *proto.Response, t *thread) {
	if c := t.current.Load(); c != nil {
		resp.Call, resp.T0 = c.name, c.t0
	}
	e := t.look()
	resp.TID, resp.State, resp.WChan, resp.Stack = e.tid, e.state, e.wchan, e.stack
}
