package agent

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// fifo makes a FIFO: opening it for reading hangs until release is called.
func fifo(t testing.TB) (path string, release func()) {
	t.Helper()
	path = tempPath(t, "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	release = func() {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { f.Close() })
	}
	return path, release
}

func TestHungCall(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path, release := fifo(t)

	resp, err := c.Do(testContext(t), proto.Request{Op: proto.OpOpen, Path: path, TimeoutMS: 50})
	if err != nil {
		t.Fatal(err)
	}
	if !resp.Hung || resp.Queued || resp.Call != "open" || resp.TID == 0 || resp.T0 == 0 || resp.State != "S" || resp.Stack == "" {
		t.Errorf("answer of the watchdog: %+v", resp)
	}
	// The agent goes on.
	do(t, c, proto.Request{Op: proto.OpStat, Path: path})

	release()
	late, err := c.AwaitLate(testContext(t), resp.ID)
	if err != nil {
		t.Fatal(err)
	}
	if late.Hung || late.Errno != "" || late.FD == 0 || late.T0 != resp.T0 || late.T1 <= late.T0 {
		t.Errorf("late answer: %+v", late)
	}
	do(t, c, proto.Request{Op: proto.OpClose, FD: late.FD})
	if _, err := c.AwaitLate(testContext(t), resp.ID); err == nil {
		t.Error("the late answer came twice")
	}
}

func TestHungLane(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path, release := fifo(t)
	first, err := c.Do(testContext(t), proto.Request{Op: proto.OpOpen, Path: path, Lane: "a", TimeoutMS: 50})
	if err != nil || !first.Hung {
		t.Fatalf("%+v, %v", first, err)
	}
	queued, err := c.Do(testContext(t), proto.Request{Op: proto.OpStat, Path: path, Lane: "a", TimeoutMS: 50})
	if err != nil || !queued.Hung || !queued.Queued {
		t.Fatalf("%+v, %v", queued, err)
	}
	do(t, c, proto.Request{Op: proto.OpStat, Path: path, Lane: "b"})
	release()
	for _, id := range []int64{first.ID, queued.ID} {
		if late, err := c.AwaitLate(testContext(t), id); err != nil || !late.OK() {
			t.Errorf("late answer: %+v, %v", late, err)
		}
	}
}

func TestHungStream(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path, release := fifo(t)
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Poller, Mode: proto.PollReopen, Path: path, HangMS: 50, Decode: "none"})
	ev := next(t, s)
	if !ev.Hung || ev.Call != "open" || ev.TID == 0 || ev.T1 != 0 {
		t.Errorf("event: %+v", ev)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	_, err := c.Do(ctx, proto.Request{Op: proto.OpStop, Stream: s.ID(), TimeoutMS: 50})
	if err != nil {
		t.Fatal(err)
	}
	release()
	ev = next(t, s)
	if ev.Hung || ev.Errno != "ESPIPE" || ev.Call != "read" {
		t.Errorf("event after the release: %+v", ev)
	}
	if end := stopStream(t, s); end.Hung != 1 || end.Reason != "stopped" || end.Failed < 1 || end.Errnos["ESPIPE"] != end.Failed {
		t.Errorf("end: %+v", end)
	}
}

func TestStopOfHungStream(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path, release := fifo(t)
	t.Cleanup(release)
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Poller, Mode: proto.PollReopen, Path: path, HangMS: 50})
	next(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), patience/10)
	defer cancel()
	_, err := s.Stop(ctx)
	var hung *HungError
	if !errors.As(err, &hung) || hung.Response.Call != "open" {
		t.Errorf("stop: %v", err)
	}
}
