package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nfsim/nfsim/pkg/agent/executor"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

func TestLaneKeepsOrder(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	file := tempPath(t, "f")
	var wg sync.WaitGroup
	ends := make([]proto.Response, 50)
	sent := make(chan struct{}, 1)
	for i := range ends {
		sent <- struct{}{} // one after the other on the wire
		wg.Go(func() {
			resp, err := c.Do(testContext(t), proto.Request{
				Op: proto.OpWriteRecord, Path: file, Token: fmt.Sprint(i), Seq: int64(i), Size: 64, Close: true, Lane: "w",
			})
			if err != nil {
				t.Error(err)
			}
			ends[i] = resp
		})
		<-sent
	}
	wg.Wait()
	for i, a := range ends {
		for j, b := range ends {
			if i != j && a.T0 < b.T1 && b.T0 < a.T1 {
				t.Fatalf("requests %d and %d of one lane overlap: %+v %+v", i, j, a, b)
			}
		}
	}
}

func TestTwoSessions(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	first, second := connect(t, a), connect(t, a)
	file := tempPath(t, "log")
	s := startStream(t, first, proto.StreamSpec{Kind: proto.Appender, Path: file, Client: "a", IntervalUS: 1000})
	before := next(t, s)

	// What one session opened the other may use.
	fd := do(t, first, proto.Request{Op: proto.OpOpen, Path: file}).FD
	do(t, second, proto.Request{Op: proto.OpFstat, FD: fd})

	// The stream outlives the session that started it.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for range s.Events() {
	}
	var gone *SessionError
	if !errors.As(s.Err(), &gone) || !errors.Is(s.Err(), ErrClosed) {
		t.Errorf("events stopped for %v", s.Err())
	}
	again, err := second.Attach(testContext(t), s.ID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if ev := next(t, again); ev.N != 1 || ev.T0 != before.T0 {
		t.Errorf("first event %+v, was %+v", ev, before)
	}
	for n := uint64(2); n < 50; n++ {
		if ev := next(t, again); ev.N != n || ev.Lost != 0 || ev.Seq != int64(n) {
			t.Fatalf("event %d: %+v", n, ev)
		}
	}
	from, err := second.Attach(testContext(t), s.ID(), 20)
	if err != nil {
		t.Fatal(err)
	}
	if ev := next(t, from); ev.N != 20 {
		t.Errorf("first event from 20: %+v", ev)
	}
	end := stopStream(t, from)
	if got := do(t, second, proto.Request{Op: proto.OpStreams}).Streams; len(got) != 1 || got[0].End == nil || got[0].End.LastSeq != end.LastSeq {
		t.Errorf("streams %+v", got)
	}
	if again := stopStream(t, from); again.OK != end.OK {
		t.Errorf("second stop: %+v, first %+v", again, end)
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Appender, Path: tempPath(t, "log"), Client: "a", IntervalUS: 500})
	next(t, s)
	if err := s.Leave(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for range s.Events() {
	}
	if got := do(t, c, proto.Request{Op: proto.OpStreams}).Streams; len(got) != 1 || got[0].End != nil {
		t.Errorf("streams %+v", got)
	}
}

func TestContextEndsTheWait(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path, release := fifo(t)
	t.Cleanup(release)
	ctx, cancel := context.WithCancel(testContext(t))
	asked := make(chan error, 1)
	go func() {
		_, err := c.Do(ctx, proto.Request{Op: proto.OpOpen, Path: path})
		asked <- err
	}()
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestRequestWithoutAnswerWhenTheAgentDies(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := New(near, "test")
	defer c.Close()
	asked := make(chan error, 1)
	go func() {
		_, err := c.Do(testContext(t), proto.Request{Op: proto.OpInfo})
		asked <- err
	}()
	if _, err := bufio.NewReader(far).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	far.Close()
	var gone *SessionError
	if err := <-asked; !errors.As(err, &gone) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpInfo}); !errors.As(err, &gone) {
		t.Errorf("second request: %v", err)
	}
}

// TestForeignLines gives the client what an agent never sends.
func TestForeignLines(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"text":         "bash: nfsim-agent: not found\n",
		"array":        "[1]\n",
		"nothing":      "{}\n",
		"wrong type":   `{"id":"one"}` + "\n",
		"endless line": strings.Repeat("x", 2*proto.MaxLine),
	}
	for name, lines := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			defer far.Close()
			c := New(near, "test")
			defer c.Close()
			go func() { _, _ = io.WriteString(far, lines) }()
			select {
			case <-c.Done():
			case <-testContext(t).Done():
				t.Fatal("the session goes on")
			}
			var gone *SessionError
			if !errors.As(c.Err(), &gone) {
				t.Errorf("error %v", c.Err())
			}
		})
	}
}

// TestUnaskedLines gives the client well-formed lines that it did not ask for.
func TestUnaskedLines(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := New(near, "test")
	defer c.Close()
	lines := `{"id":77,"errno":"EIO"}
{"late":78}
{"event":"s9","n":1,"t0":1,"future":true}
`
	if _, err := io.WriteString(far, lines); err != nil {
		t.Fatal(err)
	}
	go func() { _ = executor.New(executor.Options{}).Serve(context.Background(), far, far) }()
	do(t, c, proto.Request{Op: proto.OpNop})
}

func TestTooLargeRequest(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpWrite, Data: make([]byte, proto.MaxLine)}); !errors.Is(err, proto.ErrLineTooLong) {
		t.Errorf("error %v", err)
	}
	do(t, c, proto.Request{Op: proto.OpNop})
}
