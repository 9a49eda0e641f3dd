package sshnode_test

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// echoServer answers each connection with what it got, once that has ended.
func echoServer(t *testing.T, network, addr string) string {
	t.Helper()
	return serve(t, network, addr, func(c net.Conn) {
		if b, err := io.ReadAll(c); err == nil {
			_, _ = c.Write(b)
		}
	})
}

// serve handles each connection, and closes it after that, until the test's
// end. It returns the address.
func serve(t *testing.T, network, addr string, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// askEcho sends a word, closes that direction and reads the answer.
func askEcho(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("answer %q, %v", got, err)
	}
}

func TestNodeDial(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{}).Dial(t)
	for network, addr := range map[string]string{
		"tcp":  echoServer(t, "tcp", "127.0.0.1:0"),
		"unix": echoServer(t, "unix", filepath.Join(t.TempDir(), "sock")),
	} {
		c, err := n.Dial(testContext(t), network, addr)
		if err != nil {
			t.Fatal(err)
		}
		askEcho(t, c)
	}
	var refused *ssh.OpenChannelError
	var transport *sshnode.TransportError
	if _, err := n.Dial(testContext(t), "tcp", closedPort(t)); !errors.As(err, &refused) || errors.As(err, &transport) {
		t.Errorf("Dial of a closed port = %v, want an *ssh.OpenChannelError only", err)
	}
	var usage *sshnode.UsageError
	if _, err := n.Dial(testContext(t), "udp", "127.0.0.1:1"); !errors.As(err, &usage) {
		t.Errorf("Dial udp = %v, want a *UsageError", err)
	}
	n.Close()
	if _, err := n.Dial(testContext(t), "tcp", closedPort(t)); !errors.As(err, &transport) {
		t.Errorf("Dial on a closed node = %v, want a *TransportError", err)
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{}).Dial(t)
	for _, remote := range []string{
		echoServer(t, "tcp", "127.0.0.1:0"),
		echoServer(t, "unix", filepath.Join(t.TempDir(), "sock")),
	} {
		local, stop, err := n.Forward(testContext(t), remote)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c, err := net.Dial("tcp", local.String())
			if err != nil {
				t.Fatal(err)
			}
			askEcho(t, c)
		}
		open, err := net.Dial("tcp", local.String())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
		if _, err := io.ReadAll(open); err != nil && !errors.As(err, new(*net.OpError)) {
			t.Errorf("connection after stop: %v", err)
		}
		open.Close()
		if c, err := net.Dial("tcp", local.String()); err == nil {
			c.Close()
			t.Error("still listening after stop")
		}
	}
	var usage *sshnode.UsageError
	if _, _, err := n.Forward(testContext(t), "nowhere"); !errors.As(err, &usage) {
		t.Errorf("Forward = %v, want a *UsageError", err)
	}
}

func TestForwardEndsWithConnection(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	n := srv.Dial(t)
	local, stop, err := n.Forward(testContext(t), echoServer(t, "tcp", "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", local.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	srv.DropConnections()
	if _, err := io.ReadAll(c); err != nil && !errors.As(err, new(*net.OpError)) {
		t.Errorf("read = %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
