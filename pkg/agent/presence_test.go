package agent

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

func TestProcessStream(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	child := exec.CommandContext(testContext(t), "cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Process, PID: child.Process.Pid})
	if ev := next(t, s); ev.Found == nil || !*ev.Found {
		t.Errorf("first event %+v", ev)
	}
	if err := errors.Join(in.Close(), child.Wait()); err != nil {
		t.Fatal(err)
	}
	ev := next(t, s)
	if ev.Found == nil || *ev.Found || ev.T0 == 0 || ev.T1 < ev.T0 {
		t.Errorf("second event %+v", ev)
	}
	rest(t, s)
	if _, ended := s.End(); !ended {
		t.Error("the stream goes on")
	}
}

func TestMountsStream(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	for path, want := range map[string]bool{"/proc": true, t.TempDir(): false} {
		s := startStream(t, c, proto.StreamSpec{Kind: proto.Mounts, Path: path, PID: os.Getpid()})
		if ev := next(t, s); ev.Found == nil || *ev.Found != want {
			t.Errorf("%s: event %+v", path, ev)
		}
		if end := stopStream(t, s); end.Reason != "stopped" {
			t.Errorf("%s: end %+v", path, end)
		}
	}
}
