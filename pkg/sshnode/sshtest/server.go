package sshtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/internal/shell"
)

const (
	user = "tester"
	// stopTimeout is how long handlers have to return after the test.
	stopTimeout = 10 * time.Second
)

// Options say what a server does. The zero value is a working server.
type Options struct {
	// Handler runs the commands. Nil: Shell().
	Handler Handler
	// Root is the directory that SFTP shows as "/"; "/" is the machine's own
	// file system. Empty: a new temporary directory.
	Root string
	// MaxSessions is how many sessions a connection may have open, SFTP
	// included. 0: no limit.
	MaxSessions int
	// HostKeys are further host keys beside the server's Ed25519 key.
	HostKeys []ssh.Signer
	// OnlySubsystem hides the sftp-server program: SFTP is to be had as a
	// subsystem only.
	OnlySubsystem bool
	// SudoDenied makes sudo -n fail as if it needed a password.
	SudoDenied bool
}

// Server is a running server. It stops with the test.
type Server struct {
	HostKey      ssh.PublicKey // the Ed25519 one
	ClientSigner ssh.Signer    // the one key that may log in
	Root         string        // what SFTP shows as "/"

	opts     Options
	listener net.Listener
	config   *ssh.ServerConfig
	root     *os.Root
	stopped  chan struct{}
	wg       sync.WaitGroup
	faults

	mu        sync.Mutex
	links     map[*link]struct{}
	running   map[int]*session // by process group
	lastGroup int
	kills     int
	commands  []string
	logins    int
}

// New starts a server.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Handler == nil {
		o.Handler = Shell()
	}
	if o.Root == "" {
		o.Root = t.TempDir()
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		t.Fatalf("sshtest: open root: %v", err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("sshtest: listen: %v", err)
	}
	host := NewSigner(t)
	s := &Server{
		HostKey: host.PublicKey(), ClientSigner: NewSigner(t), Root: o.Root,
		opts: o, listener: l, root: root, stopped: make(chan struct{}),
		links: map[*link]struct{}{}, running: map[int]*session{}, lastGroup: 1000,
	}
	s.config = &ssh.ServerConfig{PublicKeyCallback: s.authenticate}
	for _, k := range append([]ssh.Signer{host}, o.HostKeys...) {
		s.config.AddHostKey(k)
	}
	s.wg.Go(s.accept)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// NewSigner makes an Ed25519 key.
func NewSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatalf("sshtest: make key: %v", err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatalf("sshtest: make signer: %v", err)
	}
	return s
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Config is what a client needs to log in.
func (s *Server) Config() sshnode.Config {
	return sshnode.Config{
		Name: "node", Addr: s.Addr(), User: user,
		Signers:  []ssh.Signer{s.ClientSigner},
		HostKeys: sshnode.FixedHostKey(s.HostKey),
	}
}

// Dial connects with Config. The node is closed with the test.
func (s *Server) Dial(t testing.TB) *sshnode.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := sshnode.Dial(ctx, s.Config())
	if err != nil {
		t.Fatalf("sshtest: dial: %v", err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// KnownHostsLine is the server's line in a known_hosts file.
func (s *Server) KnownHostsLine() string {
	return knownhosts.Line([]string{s.Addr()}, s.HostKey)
}

// Commands lists the command lines asked for so far, as the Handler gets them,
// with "sudo " before those that came through sudo.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Kills is how often a client has asked so far for a command to be killed.
func (s *Server) Kills() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kills
}

// Logins is how many clients have logged in so far.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// enter takes a command down and gives it a process group of the server's own
// counting.
func (s *Server) enter(who *session, cmd shell.Command) (group int) {
	line := cmd.Line
	if cmd.Sudo {
		line = "sudo " + line
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, line)
	s.lastGroup++
	s.running[s.lastGroup] = who
	return s.lastGroup
}

func (s *Server) leave(group int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, group)
}

// kill ends a process group.
func (s *Server) kill(group int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kills++
	if victim := s.running[group]; victim != nil {
		victim.leave()
	}
}

func (s *Server) authenticate(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if s.authRefused.Load() || meta.User() != user || !bytes.Equal(key.Marshal(), s.ClientSigner.PublicKey().Marshal()) {
		return nil, fmt.Errorf("key not accepted")
	}
	return &ssh.Permissions{}, nil
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if s.connectionsRefused.Load() {
			conn.Close()
			continue
		}
		l := &link{Conn: conn, faults: &s.faults, closed: make(chan struct{})}
		s.mu.Lock()
		s.links[l] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			defer func() {
				l.Close()
				s.mu.Lock()
				delete(s.links, l)
				s.mu.Unlock()
			}()
			s.serve(l)
		})
	}
}

// serve runs one connection to its end.
func (s *Server) serve(l *link) {
	conn, chans, reqs, err := ssh.NewServerConn(l, s.config)
	if err != nil {
		return // the client knows why
	}
	defer conn.Close()
	s.mu.Lock()
	s.logins++
	s.mu.Unlock()
	go ssh.DiscardRequests(reqs)
	c := &connection{server: s, link: l}
	for ch := range chans {
		c.open(ch)
	}
}

func (s *Server) stop(t testing.TB) {
	close(s.stopped)
	s.listener.Close()
	s.mu.Lock()
	for l := range s.links {
		l.Close()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopTimeout):
		t.Errorf("sshtest: still running %s after the test: %s", stopTimeout, strings.Join(s.Commands(), "; "))
		return
	}
	s.root.Close()
}
