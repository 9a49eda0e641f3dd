package agent

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/executor"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// connect opens a session with an agent in this process.
func connect(t testing.TB, a *executor.Agent) *Client {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer far.Close()
		_ = a.Serve(context.Background(), far, far)
	}()
	c := New(near, "test")
	t.Cleanup(func() {
		_ = c.Close()
		select {
		case <-served:
		case <-time.After(patience):
			t.Error("the session has not ended")
		}
	})
	return c
}

func newAgent(t testing.TB) *executor.Agent {
	t.Helper()
	a := executor.New(executor.Options{})
	t.Cleanup(a.StopAll)
	return a
}

// do sends a request that must be carried out without an errno.
func do(t testing.TB, c *Client, req proto.Request) proto.Response {
	t.Helper()
	resp, err := c.Do(testContext(t), req)
	if err != nil {
		t.Fatal(err)
	}
	if !resp.OK() {
		t.Fatalf("%s: %s in %s, hung %v", req.Op, resp.Errno, resp.Call, resp.Hung)
	}
	return resp
}

// next waits for a stream's next event.
func next(t testing.TB, s *Stream) proto.Event {
	t.Helper()
	select {
	case ev, ok := <-s.Events():
		if !ok {
			t.Fatalf("stream %s has no more events: %v", s.ID(), s.Err())
		}
		return ev
	case <-time.After(patience):
		t.Fatalf("no event of stream %s", s.ID())
	}
	panic("unreachable")
}

// rest reads a stream's events to their end.
func rest(t testing.TB, s *Stream) []proto.Event {
	t.Helper()
	var out []proto.Event
	late := time.After(patience)
	for {
		select {
		case ev, ok := <-s.Events():
			if !ok {
				return out
			}
			out = append(out, ev)
		case <-late:
			t.Fatalf("stream %s does not end", s.ID())
		}
	}
}

func startStream(t testing.TB, c *Client, spec proto.StreamSpec) *Stream {
	t.Helper()
	s, err := c.StartStream(testContext(t), proto.Request{Start: &spec})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stopStream(t testing.TB, s *Stream) proto.StreamEnd {
	t.Helper()
	end, err := s.Stop(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func tempPath(t testing.TB, name string) string { return filepath.Join(t.TempDir(), name) }
