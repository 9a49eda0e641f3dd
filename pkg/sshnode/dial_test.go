package sshnode_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

func TestDialUsage(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	openFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(openFile, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(junk, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*sshnode.Config)
		want   string
	}{
		{"no port", func(c *sshnode.Config) { c.Addr = "localhost" }, "host:port"},
		{"no user", func(c *sshnode.Config) { c.User = "" }, "user"},
		{"no host keys", func(c *sshnode.Config) { c.HostKeys = nil }, "HostKeys"},
		{"no keys", func(c *sshnode.Config) { c.Signers = nil }, "KeyFiles"},
		{"key file readable by others", func(c *sshnode.Config) { c.KeyFiles = []string{openFile} }, "chmod 600"},
		{"key file missing", func(c *sshnode.Config) { c.KeyFiles = []string{"/nonexistent"} }, "no such file"},
		{"key file is a directory", func(c *sshnode.Config) { c.KeyFiles = []string{t.TempDir()} }, "not a regular file"},
		{"key file without key", func(c *sshnode.Config) { c.KeyFiles = []string{junk} }, "no key found"},
		{"no agent", func(c *sshnode.Config) { c.AgentSocket = "/nonexistent" }, "ssh-agent"},
		{"bad jump host", func(c *sshnode.Config) { c.Jump = &sshnode.Config{} }, "jump host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := srv.Config()
			tt.change(&cfg)
			_, err := sshnode.Dial(testContext(t), cfg)
			var usage *sshnode.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Dial = %v, want a *UsageError about %q", err, tt.want)
			}
		})
	}
}

func TestDialRefusedKey(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	srv.RefuseAuth(true)
	cfg := srv.Config()
	_, err := sshnode.Dial(testContext(t), cfg)
	var auth *sshnode.AuthError
	if !errors.As(err, &auth) {
		t.Fatalf("Dial = %v, want an *AuthError", err)
	}
	if want := ssh.FingerprintSHA256(srv.ClientSigner.PublicKey()); !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not name the key %s", err, want)
	}
}

func TestDialHostKeys(t *testing.T) {
	t.Parallel()
	other := sshtest.NewSigner(t).PublicKey()
	tests := []struct {
		name  string
		lines func(*sshtest.Server) string
		want  string // in the error; empty: none
	}{
		{"known", func(s *sshtest.Server) string { return s.KnownHostsLine() }, ""},
		{"unknown", func(*sshtest.Server) string { return "" }, "ssh-keyscan"},
		{"changed", func(s *sshtest.Server) string {
			return strings.Replace(s.KnownHostsLine(), keyField(s.HostKey), keyField(other), 1)
		}, "ssh-keygen -R"},
		{"revoked", func(s *sshtest.Server) string { return "@revoked * " + keyField(s.HostKey) }, "revokes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := sshtest.New(t, sshtest.Options{})
			file := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(file, []byte(tt.lines(srv)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := srv.Config()
			var err error
			if cfg.HostKeys, err = sshnode.KnownHosts(file); err != nil {
				t.Fatal(err)
			}
			n, err := sshnode.Dial(testContext(t), cfg)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				n.Close()
				return
			}
			var wrong *sshnode.HostKeyError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Dial = %v, want a *HostKeyError with %q", err, tt.want)
			}
			if srv.Logins() != 0 {
				t.Error("logged in all the same")
			}
		})
	}
}

func keyField(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

func TestFixedHostKeyWrong(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	cfg := srv.Config()
	want := sshtest.NewSigner(t).PublicKey()
	cfg.HostKeys = sshnode.FixedHostKey(want)
	_, err := sshnode.Dial(testContext(t), cfg)
	var wrong *sshnode.HostKeyError
	if !errors.As(err, &wrong) {
		t.Fatalf("Dial = %v, want a *HostKeyError", err)
	}
	for _, k := range []ssh.PublicKey{want, srv.HostKey} {
		if !strings.Contains(err.Error(), ssh.FingerprintSHA256(k)) {
			t.Errorf("error %q lacks the fingerprint of %s", err, k.Type())
		}
	}
}

// The two sides would negotiate the ECDSA key, but the Ed25519 key is the one
// that is known.
func TestDialAsksForTheKnownHostKey(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	srv := sshtest.New(t, sshtest.Options{HostKeys: []ssh.Signer{second}})
	srv.Dial(t)

	plain := sshtest.New(t, sshtest.Options{})
	cfg := plain.Config()
	cfg.HostKeys = sshnode.FixedHostKey(second.PublicKey())
	var wrong *sshnode.HostKeyError
	if _, err := sshnode.Dial(testContext(t), cfg); !errors.As(err, &wrong) {
		t.Errorf("Dial = %v, want a *HostKeyError for a key that the node does not have", err)
	}
}

func TestKnownHostsUnreadable(t *testing.T) {
	t.Parallel()
	_, err := sshnode.KnownHosts("/nonexistent")
	var usage *sshnode.UsageError
	if !errors.As(err, &usage) {
		t.Errorf("KnownHosts = %v, want a *UsageError", err)
	}
}

func TestDialWithKeyFile(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := sshtest.New(t, sshtest.Options{})
	if srv.ClientSigner, err = ssh.NewSignerFromKey(key); err != nil {
		t.Fatal(err)
	}
	cfg := srv.Config()
	cfg.Signers, cfg.KeyFiles = nil, []string{file}
	dialAndRun(t, cfg)

	sealed := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("sealed")}
	if err := os.WriteFile(file, pem.EncodeToMemory(sealed), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sshnode.Dial(testContext(t), cfg); err == nil || !strings.Contains(err.Error(), "ssh-agent") {
		t.Errorf("Dial with an encrypted key = %v, want advice", err)
	}
}

func TestDialWithAgent(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := serve(t, "unix", filepath.Join(t.TempDir(), "agent"), func(c net.Conn) { _ = agent.ServeAgent(ring, c) })
	srv := sshtest.New(t, sshtest.Options{})
	if srv.ClientSigner, err = ssh.NewSignerFromKey(key); err != nil {
		t.Fatal(err)
	}
	cfg := srv.Config()
	cfg.Signers, cfg.AgentSocket = nil, socket
	dialAndRun(t, cfg)

	if err := ring.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	var usage *sshnode.UsageError
	if _, err := sshnode.Dial(testContext(t), cfg); !errors.As(err, &usage) || !strings.Contains(err.Error(), "ssh-add") {
		t.Errorf("Dial with an empty agent = %v, want a *UsageError with advice", err)
	}
}

func dialAndRun(t *testing.T, cfg sshnode.Config) *sshnode.Node {
	t.Helper()
	n, err := sshnode.Dial(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if _, err := n.Run(testContext(t), "true"); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDialRetriesTransport(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	srv.RefuseConnections(true)
	cfg := srv.Config()
	once := cfg
	once.DialRetry = -1
	var transport *sshnode.TransportError
	if _, err := sshnode.Dial(testContext(t), once); !errors.As(err, &transport) {
		t.Fatalf("Dial = %v, want a *TransportError", err)
	}

	ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
	defer cancel()
	_, err := sshnode.Dial(ctx, cfg)
	if !errors.As(err, &transport) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Dial until the context ends = %v, want a *TransportError around context.DeadlineExceeded", err)
	}

	short := cfg
	short.DialRetry = 300 * time.Millisecond
	if _, err := sshnode.Dial(testContext(t), short); !errors.As(err, &transport) {
		t.Fatalf("Dial until DialRetry is over = %v, want a *TransportError", err)
	}

	back := time.AfterFunc(200*time.Millisecond, func() { srv.RefuseConnections(false) })
	defer back.Stop()
	dialAndRun(t, cfg)
}

func TestDialSilentServer(t *testing.T) {
	t.Parallel()
	srv := sshtest.New(t, sshtest.Options{})
	srv.Freeze()
	cfg := srv.Config()
	cfg.ConnectTimeout, cfg.DialRetry = 100*time.Millisecond, -1
	_, err := sshnode.Dial(testContext(t), cfg)
	var transport *sshnode.TransportError
	if !errors.As(err, &transport) {
		t.Fatalf("Dial = %v, want a *TransportError", err)
	}
	srv.Thaw()
	dialAndRun(t, srv.Config())
}

func TestDialNotSSH(t *testing.T) {
	t.Parallel()
	addr := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	cfg := sshtest.New(t, sshtest.Options{}).Config()
	cfg.Addr, cfg.DialRetry = addr, -1
	var transport *sshnode.TransportError
	if _, err := sshnode.Dial(testContext(t), cfg); !errors.As(err, &transport) {
		t.Errorf("Dial = %v, want a *TransportError", err)
	}
}

func TestDialThroughJumpHost(t *testing.T) {
	t.Parallel()
	jump, target := sshtest.New(t, sshtest.Options{}), sshtest.New(t, sshtest.Options{})
	cfg, jumpCfg := target.Config(), jump.Config()
	jumpCfg.Name, cfg.Jump, cfg.DialRetry = "jump", &jumpCfg, -1
	n := dialAndRun(t, cfg)
	if jump.Logins() != 1 || target.Logins() != 1 {
		t.Errorf("logins: jump %d, target %d, want 1 each", jump.Logins(), target.Logins())
	}

	jump.DropConnections()
	select {
	case <-n.Closed():
	case <-testContext(t).Done():
		t.Fatal("node outlives its jump host")
	}

	jump.RefuseAuth(true)
	var auth *sshnode.AuthError
	if _, err := sshnode.Dial(testContext(t), cfg); !errors.As(err, &auth) || auth.Node != "jump" {
		t.Errorf("Dial = %v, want the jump host's *AuthError", err)
	}
	jump.RefuseAuth(false)

	cfg.Addr = closedPort(t)
	var transport *sshnode.TransportError
	if _, err := sshnode.Dial(testContext(t), cfg); !errors.As(err, &transport) {
		t.Errorf("Dial of a closed port = %v, want a *TransportError", err)
	}
}

// Both connections are half-open: the end must not wait for the jump host.
func TestJumpHostFallsSilent(t *testing.T) {
	t.Parallel()
	jump, target := sshtest.New(t, sshtest.Options{}), sshtest.New(t, sshtest.Options{})
	cfg, jumpCfg := target.Config(), jump.Config()
	cfg.Jump, cfg.KeepAlive = &jumpCfg, 300*time.Millisecond
	n := dialAndRun(t, cfg)
	jump.Freeze()
	var transport *sshnode.TransportError
	if _, err := n.Run(testContext(t), "true"); !errors.As(err, &transport) {
		t.Errorf("Run = %v, want a *TransportError", err)
	}
}

// closedPort returns an address that nobody listens at.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
