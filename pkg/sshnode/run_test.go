package sshnode_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// testContext ends well before the test binary does.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestRun(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{}).Dial(t)
	tests := []struct {
		name string
		cmd  string
		opts []sshnode.RunOption
		want sshnode.Result
	}{
		{name: "output", cmd: "echo out; echo err >&2", want: sshnode.Result{Stdout: []byte("out\n"), Stderr: []byte("err\n")}},
		{name: "status", cmd: "echo why >&2; exit 42", want: sshnode.Result{Stderr: []byte("why\n"), ExitStatus: 42}},
		{name: "signal", cmd: "kill -TERM $$", want: sshnode.Result{ExitStatus: 143, Signal: "TERM"}},
		{name: "no stdin", cmd: "cat", want: sshnode.Result{}},
		{
			name: "stdin", cmd: "tr a-z A-Z", opts: []sshnode.RunOption{sshnode.WithStdin(strings.NewReader("words"))},
			want: sshnode.Result{Stdout: []byte("WORDS")},
		},
		{
			name: "stdin not read", cmd: "exit 0", opts: []sshnode.RunOption{sshnode.WithStdin(zeros{})},
			want: sshnode.Result{},
		},
		{
			name: "tail kept", cmd: "printf 0123456789; printf abcdef >&2", opts: []sshnode.RunOption{sshnode.WithOutputLimit(4)},
			want: sshnode.Result{Stdout: []byte("6789"), Stderr: []byte("cdef"), Truncated: true},
		},
		{
			name: "nothing kept", cmd: "echo x", opts: []sshnode.RunOption{sshnode.WithOutputLimit(0)},
			want: sshnode.Result{Truncated: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := n.Run(testContext(t), tt.cmd, tt.opts...)
			if got.Duration <= 0 {
				t.Errorf("Duration = %v, want more than 0", got.Duration)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(sshnode.Result{}, "Duration")); diff != "" {
				t.Errorf("Run(%q) mismatch (-want +got):\n%s", tt.cmd, diff)
			}
			if tt.want.ExitStatus == 0 {
				if err != nil {
					t.Errorf("Run(%q) = %v", tt.cmd, err)
				}
				return
			}
			var exit *sshnode.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("Run(%q) = %v, want an *ExitError", tt.cmd, err)
			}
			if diff := cmp.Diff(got, exit.Result, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("result in the error mismatch (-returned +in error):\n%s", diff)
			}
		})
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestRunInParallel(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			got, err := n.Output(testContext(t), fmt.Sprintf("echo %d", i))
			if err != nil || got != fmt.Sprint(i) {
				t.Errorf("Output %d = %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if got := srv.Logins(); got != 1 {
		t.Errorf("%d logins, want 1", got)
	}
}

func TestRunBoundsHugeOutput(t *testing.T) {
	t.Parallel()
	const size = 20 << 20
	n := sshtest.New(t, sshtest.Options{Handler: sshtest.Flood(size)}).Dial(t)
	res, err := n.Run(testContext(t), "journalctl")
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Stdout) != sshnode.DefaultOutputLimit || !res.Truncated {
		t.Errorf("got %d bytes, truncated %v", len(res.Stdout), res.Truncated)
	}
	if want := byte('0' + (size-1)%10); res.Stdout[len(res.Stdout)-1] != want {
		t.Errorf("last byte %q, want %q: not the tail", res.Stdout[len(res.Stdout)-1], want)
	}
	if _, err := n.Output(testContext(t), "journalctl"); err == nil {
		t.Error("Output of more than it keeps: no error")
	}
}

func TestRunEndsWithContext(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	killed := make(chan struct{})
	srv := sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		fmt.Fprint(stdout, "so far")
		close(running)
		defer close(killed)
		return sshtest.Hang(cmd, stdin, stdout, stderr)
	}})
	n := srv.Dial(t)
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		<-running
		cancel()
	}()
	_, err := n.Run(ctx, "sleep 1000")
	var exit *sshnode.ExitError
	var transport *sshnode.TransportError
	if !errors.Is(err, context.Canceled) || errors.As(err, &exit) || errors.As(err, &transport) {
		t.Fatalf("Run = %v, want context.Canceled only", err)
	}
	if !strings.Contains(err.Error(), "sleep 1000") {
		t.Errorf("error %q does not name the command", err)
	}
	select {
	case <-killed:
	case <-testContext(t).Done():
		t.Fatal("command goes on")
	}
	if n.Err() != nil {
		t.Errorf("connection ended with the command: %v", n.Err())
	}
}

// A command that is given up before it has said a word is killed all the same.
func TestRunGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	asked, killed := make(chan struct{}), make(chan struct{})
	srv := sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		defer close(killed)
		close(asked)
		return sshtest.Hang(cmd, stdin, stdout, stderr)
	}})
	n := srv.Dial(t)
	srv.SetLatency(100 * time.Millisecond)
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		<-asked
		cancel()
	}()
	if _, err := n.Run(ctx, "sleep 1000"); !errors.Is(err, context.Canceled) {
		t.Fatalf("Run = %v, want context.Canceled", err)
	}
	select {
	case <-killed:
	case <-testContext(t).Done():
		t.Fatal("command goes on")
	}
}

func TestRunWithBrokenInput(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	broken := errors.New("disk on fire")
	out := t.TempDir() + "/out"
	_, err := n.Run(testContext(t), "cat && touch "+sshnode.Quote(out), sshnode.WithStdin(iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Fatalf("Run = %v, want %v", err, broken)
	}
	if _, err := n.Output(testContext(t), "test ! -e "+sshnode.Quote(out)); err != nil {
		t.Errorf("command took a part of its input for the whole: %v", err)
	}
}

func TestRunOnLostConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		lose func(*sshtest.Server, *sshnode.Node)
	}{
		{"dropped", func(s *sshtest.Server, _ *sshnode.Node) { s.DropConnections() }},
		{"half-open", func(s *sshtest.Server, _ *sshnode.Node) { s.Freeze() }},
		{"closed by us", func(_ *sshtest.Server, n *sshnode.Node) { n.Close() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			running := make(chan struct{})
			srv := sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
				close(running)
				return sshtest.Hang(cmd, stdin, stdout, stderr)
			}})
			cfg := srv.Config()
			cfg.KeepAlive = 300 * time.Millisecond
			n, err := sshnode.Dial(testContext(t), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if n.Err() != nil {
				t.Fatalf("new connection has error %v", n.Err())
			}
			go func() {
				<-running
				tt.lose(srv, n)
			}()
			_, err = n.Run(testContext(t), "sleep 1000")
			var transport *sshnode.TransportError
			if !errors.As(err, &transport) {
				t.Fatalf("pending Run = %v, want a *TransportError", err)
			}
			select {
			case <-n.Closed():
			case <-testContext(t).Done():
				t.Fatal("Closed is not closed")
			}
			if !errors.As(n.Err(), &transport) {
				t.Errorf("Err = %v, want a *TransportError", n.Err())
			}
			if _, err := n.Run(testContext(t), "true"); !errors.As(err, &transport) {
				t.Errorf("later Run = %v, want a *TransportError", err)
			}
			if got := len(srv.Commands()); got != 1 {
				t.Errorf("command was sent %d times", got)
			}
		})
	}
}

func TestRunOnSlowNode(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	cfg := srv.Config()
	cfg.KeepAlive = time.Second
	n, err := sshnode.Dial(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	srv.SetLatency(30 * time.Millisecond)
	if got, err := n.Output(testContext(t), "echo late"); err != nil || got != "late" {
		t.Errorf("Output = %q, %v", got, err)
	}
	if n.Err() != nil {
		t.Errorf("slow node taken for dead: %v", n.Err())
	}
}

func TestRunWithoutStatus(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{Handler: func(string, io.Reader, io.Writer, io.Writer) int {
		return sshtest.NoStatus
	}}).Dial(t)
	_, err := n.Run(testContext(t), "reboot")
	var transport *sshnode.TransportError
	if !errors.As(err, &transport) {
		t.Fatalf("Run = %v, want a *TransportError", err)
	}
	if n.Err() != nil {
		t.Errorf("connection ended with the session: %v", n.Err())
	}
}

func TestSessionsRefused(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{MaxSessions: 1})
	n := srv.Dial(t)
	p, err := n.Start(testContext(t), "cat")
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Run(testContext(t), "true")
	var transport *sshnode.TransportError
	var refused *sshnode.SessionRefusedError
	if !errors.As(err, &transport) || !errors.As(err, &refused) {
		t.Fatalf("Run = %v, want a *TransportError around a *SessionRefusedError", err)
	}
	if !strings.Contains(err.Error(), "MaxSessions") {
		t.Errorf("error %q gives no advice", err)
	}
	if err := p.Pipe().Close(); err != nil {
		t.Fatal(err)
	}
	awaitRun(t, n)
}

// awaitRun waits until the node grants a session again.
func awaitRun(t *testing.T, n *sshnode.Node) {
	t.Helper()
	ctx := testContext(t)
	for {
		_, err := n.Run(ctx, "true")
		var refused *sshnode.SessionRefusedError
		if err == nil {
			return
		}
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
}

func TestSudo(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	cfg := srv.Config()
	cfg.Sudo = true
	n, err := sshnode.Dial(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	const cmd = `echo "it's $((1+1))"; exit 3`
	res, err := n.Run(testContext(t), cmd)
	var exit *sshnode.ExitError
	if !errors.As(err, &exit) || exit.Cmd != cmd || res.ExitStatus != 3 || string(res.Stdout) != "it's 2\n" {
		t.Errorf("Run = %+v, %v", res, err)
	}
	if err := n.PutBytes(testContext(t), []byte("x"), "/etc/nfsim", 0o600); err != nil {
		t.Errorf("PutBytes through sudo: %v", err)
	}
	for _, c := range srv.Commands() {
		if !strings.HasPrefix(c, "sudo ") {
			t.Errorf("command not through sudo: %s", c)
		}
	}
	if got := len(srv.Commands()); got != 2 {
		t.Errorf("%d commands, want one and the SFTP server", got)
	}
}

func TestSudoDenied(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{SudoDenied: true})
	cfg := srv.Config()
	cfg.Sudo = true
	n, err := sshnode.Dial(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for name, err := range map[string]error{
		"Run": func() error { _, err := n.Run(testContext(t), "true"); return err }(),
		"Put": n.PutBytes(testContext(t), nil, "/x", 0o600),
	} {
		var exit *sshnode.ExitError
		if !errors.As(err, &exit) || !strings.Contains(err.Error(), "a password is required") {
			t.Errorf("%s = %v, want sudo's words in an *ExitError", name, err)
		}
	}
}
