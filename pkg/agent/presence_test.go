package agent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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

func TestNameStream(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	path := filepath.Join(t.TempDir(), "name")
	s := startStream(t, c, proto.StreamSpec{Kind: proto.Name, Path: path})
	if ev := next(t, s); ev.Found == nil || *ev.Found {
		t.Fatalf("first event %+v", ev)
	}
	for round := range 20 {
		for _, there := range []bool{true, false} {
			err := os.Remove(path)
			if there {
				err = os.Mkdir(path, 0o700)
			}
			if err != nil {
				t.Fatal(err)
			}
			if ev := next(t, s); ev.Found == nil || *ev.Found != there || ev.T0 == 0 || ev.T1 < ev.T0 {
				t.Fatalf("round %d: want there %v, event %+v", round, there, ev)
			}
		}
	}
	if end := stopStream(t, s); end.Reason != "stopped" {
		t.Errorf("end %+v", end)
	}
	absent := proto.StreamSpec{Kind: proto.Name, Path: filepath.Join(t.TempDir(), "no", "name")}
	if _, err := c.StartStream(testContext(t), proto.Request{Op: proto.OpStart, Start: &absent}); err == nil {
		t.Error("a directory that is not there is watched")
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

// TestMountsStreamMissesNothing mounts and unmounts in a namespace of its own,
// which takes root, and awaits the news of each change before the next.
func TestMountsStreamMissesNothing(t *testing.T) {
	t.Parallel()
	nsenter, err := exec.LookPath("nsenter")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("takes root and nsenter")
	}
	home := exec.CommandContext(testContext(t), "cat")
	home.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // its mounts are private: os/exec
	in, err := home.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := home.Start(); err != nil {
		t.Skipf("a mount namespace: %v", err)
	}
	t.Cleanup(func() { _ = errors.Join(in.Close(), home.Wait()) })
	target, pid := t.TempDir(), home.Process.Pid
	s := startStream(t, connect(t, newAgent(t)), proto.StreamSpec{Kind: proto.Mounts, Path: target, PID: pid})
	if ev := next(t, s); ev.Found == nil || *ev.Found {
		t.Fatalf("first event %+v", ev)
	}
	for round := range 40 {
		for _, command := range [][]string{{"mount", "-t", "tmpfs", "none", target}, {"umount", target}} {
			args := append([]string{"-t", fmt.Sprint(pid), "-m"}, command...)
			if out, err := exec.CommandContext(testContext(t), nsenter, args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v: %s", command, err, out)
			}
			if ev := next(t, s); ev.Found == nil || *ev.Found != (command[0] == "mount") {
				t.Fatalf("round %d: event %+v after %v", round, ev, command)
			}
		}
	}
}
