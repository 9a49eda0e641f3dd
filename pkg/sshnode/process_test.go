package sshnode_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

func start(t *testing.T, n *sshnode.Node, cmd string) *sshnode.Process {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel() // the process must outlive it
	p, err := n.Start(ctx, cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestProcessTalks(t *testing.T) {
	t.Parallel()
	p := start(t, sshtest.New(t, sshtest.Options{}).Dial(t), "echo noise >&2; cat")
	pipe := p.Pipe()
	r := bufio.NewReader(pipe)
	for _, line := range []string{"one\n", "two\n"} {
		if _, err := io.WriteString(pipe, line); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); err != nil || got != line {
			t.Fatalf("read %q, %v, want %q", got, err, line)
		}
	}
	if err := pipe.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("Wait = %v", err)
	}
	if got := string(p.Stderr()); got != "noise\n" {
		t.Errorf("Stderr = %q", got)
	}
	if _, err := r.ReadString('\n'); err != io.EOF {
		t.Errorf("read after the end = %v, want io.EOF", err)
	}
	if _, err := io.WriteString(pipe, "x"); !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.EOF) {
		t.Errorf("write after the end = %v", err)
	}
}

func TestProcessFails(t *testing.T) {
	t.Parallel()
	p := start(t, sshtest.New(t, sshtest.Options{}).Dial(t), "echo no such thing >&2; exit 7")
	var exit *sshnode.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.Result.ExitStatus != 7 || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("Wait = %v, want status 7 and the words", err)
	}
}

func TestProcessKilled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler sshtest.Handler
	}{
		{"with signal", sshtest.Shell()},
		{"without status", func(_ string, stdin io.Reader, _, _ io.Writer) int {
			<-sshtest.Done(stdin)
			return sshtest.NoStatus
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := sshtest.New(t, sshtest.Options{Handler: tt.handler}).Dial(t)
			p := start(t, n, "exec sleep 1000")
			p.Kill()
			p.Kill()
			var exit *sshnode.ExitError
			if err := p.Wait(); !errors.As(err, &exit) || exit.Result.Signal != "KILL" {
				t.Errorf("Wait = %v, want signal KILL", err)
			}
		})
	}
}

func TestProcessLosesConnection(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	p := start(t, srv.Dial(t), "echo ready; exec sleep 1000")
	r := bufio.NewReader(p.Stdout)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	srv.DropConnections()
	var transport *sshnode.TransportError
	if _, err := r.ReadString('\n'); !errors.As(err, &transport) {
		t.Errorf("read = %v, want a *TransportError, not the end of the output", err)
	}
	if err := p.Wait(); !errors.As(err, &transport) {
		t.Errorf("Wait = %v, want a *TransportError", err)
	}
	if _, err := p.Stdin.Write([]byte("x")); !errors.As(err, &transport) {
		t.Errorf("write = %v, want a *TransportError", err)
	}
}

// The process's own end is not blamed on the connection.
func TestProcessEndsBeforeConnection(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	p := start(t, n, "echo done")
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	for range 3 { // so that a kill would have come by now
		if _, err := n.Run(testContext(t), "true"); err != nil {
			t.Fatal(err)
		}
	}
	if got := srv.Kills(); got != 0 {
		t.Errorf("process killed after its end: %d times", got)
	}
	srv.DropConnections()
	<-n.Closed()
	if got, err := io.ReadAll(p.Stdout); err != nil || string(got) != "done\n" {
		t.Errorf("ReadAll = %q, %v", got, err)
	}
}
