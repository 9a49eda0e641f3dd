package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// asAgent in the environment makes the test's own binary be nfsim-agent.
const asAgent = "NFSIM_TEST_AS_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		main()
	}
	os.Exit(m.Run())
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// command is this binary as nfsim-agent. It is killed with the test.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(testContext(t), self, args...)
	cmd.Env = append(os.Environ(), asAgent+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// pipe is a process's standard input and output.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// session starts the agent and speaks to it over its pipes.
func session(t testing.TB, args ...string) *agent.Client {
	t.Helper()
	cmd := command(t, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := agent.New(pipe{out, in}, strings.Join(args, " "))
	t.Cleanup(func() {
		_ = c.Close()
		_ = cmd.Wait()
	})
	return c
}

// listening starts a listening agent and waits until it answers.
func listening(t testing.TB, args ...string) (socket string, cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	// Socket paths are short: at most 107 bytes.
	dir, err := os.MkdirTemp("", "nfsim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "agent.sock")
	cmd = command(t, append([]string{"listen", socket}, args...)...)
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return socket, cmd, stderr
}

// until polls for a condition.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	ctx := testContext(t)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("what was waited for has not come")
		case <-tick.C:
		}
	}
}

func TestStdio(t *testing.T) {
	t.Parallel()
	c := session(t, "stdio")
	resp, err := c.Do(testContext(t), proto.Request{Op: proto.OpInfo})
	if err != nil || resp.Info.Version != proto.Version || resp.Info.PID == os.Getpid() {
		t.Errorf("%+v, %v", resp, err)
	}
	if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpExit, Code: 3}); err == nil {
		t.Error("an answer to exit")
	}
}

// TestStdioAnswersAllAtEndOfInput is a session out of a shell's pipe.
func TestStdioAnswersAllAtEndOfInput(t *testing.T) {
	t.Parallel()
	cmd := command(t, "stdio")
	cmd.Stdin = strings.NewReader(`{"id":1,"op":"stat","path":"/"}` + "\nnonsense\n" + `{"id":2,"op":"nop"}` + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"id":1,`, `"id":2}`, `decode request`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
}

func TestListenAndConnect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	start := filepath.Join(dir, "start")
	lines := fmt.Sprintf(`{"op":"mkdir","path":%q}
{"op":"start","stream":"writer","start":{"kind":"appender","path":%q,"client":"pod-*","interval_us":1000}}`, dir, log)
	if err := os.WriteFile(start, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, cmd, _ := listening(t, "--autostart", start)
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", info.Mode(), err)
	}

	first := session(t, "connect", socket)
	s, err := first.Attach(testContext(t), "writer", 1)
	if err != nil {
		t.Fatal(err)
	}
	ev := <-s.Events()
	if ev.N != 1 || ev.Seq != 1 || ev.Errno != "" || !strings.HasPrefix(ev.Client, "pod-") {
		t.Errorf("event %+v", ev)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	for range s.Events() {
	}

	second := session(t, "connect", socket)
	if s, err = second.Attach(testContext(t), "writer", 2); err != nil {
		t.Fatal(err)
	}
	for n := uint64(2); n < 20; n++ {
		if ev := <-s.Events(); ev.N != n || ev.Seq != int64(n) {
			t.Fatalf("event %+v, want number %d", ev, n)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestListenTakesOverADeadSocket(t *testing.T) {
	t.Parallel()
	socket, cmd, _ := listening(t)
	out, err := command(t, "listen", socket).CombinedOutput()
	if status(err) != statusFailed || !strings.Contains(string(out), "another agent answers") {
		t.Errorf("second agent: %v: %s", err, out)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	again := command(t, "listen", socket)
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if err := again.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Error(err)
	}
}

func TestListenKeepsOtherFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, "listen", file).CombinedOutput(); status(err) != statusFailed {
		t.Errorf("%v: %s", err, out)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestTermVariants(t *testing.T) {
	t.Parallel()
	t.Run("delay", func(t *testing.T) {
		t.Parallel()
		const delay = 300 * time.Millisecond
		_, cmd, _ := listening(t, "--term-delay", delay.String())
		begin := time.Now()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < delay {
			t.Errorf("ended after %s", took)
		}
	})
	t.Run("ignore", func(t *testing.T) {
		t.Parallel()
		socket, cmd, stderr := listening(t, "--ignore-term")
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c := session(t, "connect", socket)
		if _, err := c.Do(testContext(t), proto.Request{Op: proto.OpNop}); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("status 0 after SIGKILL")
		}
		if !strings.Contains(stderr.String(), "SIGTERM ignored") {
			t.Errorf("standard error %q", stderr)
		}
	})
}

func TestProbe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, hanging := filepath.Join(dir, "f"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(hanging, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"empty file", []string{file}, statusOK},
		{"directory", []string{dir}, statusOK},
		{"missing", []string{file + "x"}, statusFailed},
		{"hanging", []string{hanging, "--timeout", "50ms"}, statusFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := command(t, append([]string{"probe"}, tt.args...)...).CombinedOutput()
			if got := status(err); got != tt.want {
				t.Errorf("status %d, want %d: %s", got, tt.want, out)
			}
		})
	}
}

// pausing starts a pause process and waits until it is ready.
func pausing(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("cannot start it like that here: ", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "pausing") {
		t.Fatalf("%q, %v", line, err)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	cmd := command(t, "pause")
	pausing(t, cmd)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// TestPauseCollectsOrphans runs pause as the PID 1 that it is made for, which
// takes root, and leaves it a child that ends.
func TestPauseCollectsOrphans(t *testing.T) {
	t.Parallel()
	nsenter, err := exec.LookPath("nsenter")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("takes root and nsenter")
	}
	cmd := command(t, "pause")
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	pausing(t, cmd)
	pid := fmt.Sprint(cmd.Process.Pid)
	// The shell's shell leaves cat, which ends when our end of the pipe does.
	orphan := exec.CommandContext(testContext(t), nsenter, "-t", pid, "-p", "sh", "-c", "(cat <&3 >/dev/null 2>&1 &) 3<&0")
	in, err := orphan.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := orphan.CombinedOutput(); err != nil {
		t.Skipf("nsenter: %v: %s", err, out)
	}
	children := func() string {
		b, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_ = in.Close()
	until(t, func() bool { return children() == "" })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args   []string
		status int
		says   string
	}{
		{nil, statusUsage, "want a mode"},
		{[]string{"fly"}, statusUsage, `unknown mode "fly"`},
		{[]string{"stdio", "extra"}, statusUsage, "usage"},
		{[]string{"listen"}, statusUsage, "usage: nfsim-agent listen SOCKET"},
		{[]string{"listen", "s", "--loud"}, statusUsage, "loud"},
		{[]string{"connect"}, statusUsage, "usage"},
		{[]string{"connect", "/nonexistent/socket"}, statusFailed, "connect"},
		{[]string{"listen", "/nonexistent/socket"}, statusFailed, "listen"},
		{[]string{"listen", "/tmp/s", "--autostart", "/nonexistent"}, statusFailed, "autostart"},
		{[]string{"probe"}, statusUsage, "usage"},
		{[]string{"version"}, statusOK, "protocol 1"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			out, err := command(t, tt.args...).CombinedOutput()
			if got := status(err); got != tt.status || !strings.Contains(string(out), tt.says) {
				t.Errorf("status %d, want %d: %s", got, tt.status, out)
			}
		})
	}
}

// status is a command's exit status.
func status(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return statusOK
}
