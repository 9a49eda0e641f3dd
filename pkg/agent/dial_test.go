package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/agent/executor"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// fakeNode is a machine whose agents run in this process.
type fakeNode struct {
	arch      string
	installed string // sha256 of what is there
	say       string // in place of speaking the protocol
}

func (f *fakeNode) handle(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case strings.HasPrefix(cmd, "uname -m"):
		_, _ = io.WriteString(stdout, f.arch+"\n"+f.installed+"  "+InstallPath+"\n")
		return 0
	case f.say != "":
		_, _ = io.WriteString(stderr, f.say)
		return 127
	case strings.HasSuffix(cmd, " stdio"), strings.Contains(cmd, " connect /run/pod/agent.sock"):
		if executor.New(executor.Options{}).Serve(context.Background(), stdin, stdout) != nil {
			return 1
		}
		return 0
	}
	return 127
}

func unameOf(goarch string) string {
	if goarch == "arm64" {
		return "aarch64"
	}
	return "x86_64"
}

func TestDial(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{Handler: (&fakeNode{arch: "x86_64"}).handle})
	node := srv.Dial(t)
	for name, dial := range map[string]func() (*Client, error){
		"stdio":  func() (*Client, error) { return Dial(testContext(t), node, Options{Installed: true}) },
		"socket": func() (*Client, error) { return DialSocket(testContext(t), node, "/run/pod/agent.sock") },
	} {
		c, err := dial()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		do(t, c, proto.Request{Op: proto.OpStat, Path: "/"})
		if _, err := c.Ping(testContext(t), 3); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
}

func TestDialFailures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		node *fakeNode
		opts Options
		says string
	}{
		"unknown machine": {&fakeNode{arch: "riscv64"}, Options{}, "riscv64"},
		"no agent there":  {&fakeNode{say: "sh: nfsim-agent: not found"}, Options{Installed: true}, "not found"},
		"other path":      {&fakeNode{say: "sh: /opt/a: not found"}, Options{Installed: true, Path: "/opt/a"}, "/opt/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := sshtest.New(t, sshtest.Options{Handler: tt.node.handle}).Dial(t)
			_, err := Dial(testContext(t), node, tt.opts)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestConnectionBreaks wants the session, and what waits in it, to end with
// the connection.
func TestConnectionBreaks(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{Handler: (&fakeNode{arch: "x86_64"}).handle})
	c, err := Dial(testContext(t), srv.Dial(t), Options{Installed: true})
	if err != nil {
		t.Fatal(err)
	}
	path, release := fifo(t)
	t.Cleanup(release)
	asked := make(chan error, 1)
	go func() {
		_, err := c.Do(testContext(t), proto.Request{Op: proto.OpOpen, Path: path})
		asked <- err
	}()
	srv.DropConnections()
	var gone *SessionError
	if err := <-asked; !errors.As(err, &gone) {
		t.Errorf("error %v", err)
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	binary, err := Binary(runtime.GOARCH)
	if errors.Is(err, ErrNoBinary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	fake := &fakeNode{arch: unameOf(runtime.GOARCH)}
	srv := sshtest.New(t, sshtest.Options{Handler: fake.handle})
	node := srv.Dial(t)
	if err := Ensure(testContext(t), node); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(srv.Root, InstallPath)
	got, err := os.ReadFile(there)
	if err != nil || len(got) != len(binary) {
		t.Fatalf("%d bytes on the node, %v; want %d", len(got), err, len(binary))
	}
	info, err := os.Stat(there)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	// The same sha256 on the node: nothing is put.
	if err := os.Remove(there); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(binary)
	fake.installed = hex.EncodeToString(sum[:])
	if err := Ensure(testContext(t), node); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(there); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the agent was put again: %v", err)
	}
}

// TestDialForReal puts the built agent on this machine, under another name, and
// speaks to it.
func TestDialForReal(t *testing.T) {
	t.Parallel()
	if _, err := Binary(runtime.GOARCH); errors.Is(err, ErrNoBinary) {
		t.Skip(err)
	}
	node := sshtest.New(t, sshtest.Options{Root: "/"}).Dial(t)
	opts := Options{Path: tempPath(t, "nfsim-agent")}
	for range 2 {
		c, err := Dial(testContext(t), node, opts)
		if err != nil {
			t.Fatal(err)
		}
		if info := do(t, c, proto.Request{Op: proto.OpInfo}).Info; info.PID == os.Getpid() || info.Arch != runtime.GOARCH {
			t.Errorf("info %+v", info)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBinary(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"s390x", "../README", ""} {
		if _, err := Binary(arch); err == nil {
			t.Errorf("%q: no error", arch)
		}
	}
	if _, err := Binary("s390x"); !errors.Is(err, ErrNoBinary) {
		t.Errorf("error %v", err)
	}
}
