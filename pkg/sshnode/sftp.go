package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sftpPool holds a node's shared SFTP session. One sftp-server answers one
// request after the other, so a request that hangs in the kernel (a path on a
// dead NFS mount, say) blocks all later ones: an operation that is given up
// retires the session it used, and the next one opens another.
type sftpPool struct {
	opening chan struct{} // holds one token; whoever has it may open a session

	mu  sync.Mutex
	cur *sftpSession
}

// sftpSession is one sftp-server on the node.
type sftpSession struct {
	client  *sftp.Client
	process *Process
	users   int  // operations under way, those given up not counted
	retired bool // no longer handed out; closed when users is 0
}

func newSFTPPool() *sftpPool {
	p := &sftpPool{opening: make(chan struct{}, 1)}
	p.opening <- struct{}{}
	return p
}

// take returns the session at hand, nil if there is none, and counts its
// caller as a user.
func (p *sftpPool) take() *sftpSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cur == nil || isClosed(p.cur.process.done) {
		return nil
	}
	p.cur.users++
	return p.cur
}

// add makes s the session at hand, with its caller as first user.
func (p *sftpPool) add(s *sftpSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users++
	p.cur = s
}

// release ends one use of s. With retire the use was given up.
func (p *sftpPool) release(s *sftpSession, retire bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	if retire {
		s.retired = true
		if p.cur == s {
			p.cur = nil
		}
	}
	if s.retired && s.users == 0 {
		s.close()
	}
}

// SFTP returns the node's shared SFTP client, opened when first needed; with
// Config.Sudo the server runs as root. Its calls know no context and hang as
// long as the node does. Do not close it. It is good until the connection ends
// or a Put or Get is given up; call SFTP again rather than keep it.
func (n *Node) SFTP(ctx context.Context) (*sftp.Client, error) {
	s, err := n.takeSFTP(ctx)
	if err != nil {
		return nil, err
	}
	n.files.release(s, false)
	return s.client, nil
}

// takeSFTP returns the shared session, opened if there is none, and counts its
// caller as a user.
func (n *Node) takeSFTP(ctx context.Context) (*sftpSession, error) {
	const op = "open an SFTP session"
	if s := n.files.take(); s != nil {
		return s, nil
	}
	select {
	case <-n.files.opening:
	case <-ctx.Done():
		return nil, n.gaveUp(op, ctx.Err())
	case <-n.closed:
		return nil, n.lost(op)
	}
	defer func() { n.files.opening <- struct{}{} }()
	if s := n.files.take(); s != nil { // opened while we waited
		return s, nil
	}
	s, err := n.openSFTP(ctx)
	if err != nil {
		return nil, err
	}
	n.files.add(s)
	return s, nil
}

// openSFTP starts an sftp-server on the node: as a command, since that can be
// killed when it hangs, or, where it is not found, as the subsystem that the
// node's sshd has for it.
func (n *Node) openSFTP(ctx context.Context) (*sftpSession, error) {
	const op = "open an SFTP session"
	p, err := n.Start(ctx, sftpServerCommand())
	if err != nil {
		return nil, err
	}
	s, err := n.greetSFTP(ctx, op, p)
	var exit *ExitError
	if errors.As(err, &exit) && exit.Result.ExitStatus == notFound && !n.cfg.Sudo {
		if p, err = n.start(ctx, "subsystem sftp", launchSubsystem); err != nil {
			return nil, err
		}
		return n.greetSFTP(ctx, op, p)
	}
	return s, err
}

// greetSFTP makes an SFTP session of a server that has been started.
func (n *Node) greetSFTP(ctx context.Context, op string, p *Process) (*sftpSession, error) {
	client, err := await(ctx, n, op,
		func() (*sftp.Client, error) { return sftp.NewClientPipe(p.Stdout, p.Stdin) },
		func(c *sftp.Client) { c.Close() })
	if err == nil {
		return &sftpSession{client: client, process: p}, nil
	}
	var transport *TransportError
	if errors.As(err, &transport) || ctx.Err() != nil {
		p.Kill()
		return nil, err
	}
	// What the server says when it cannot start is more telling than the end
	// of its output.
	_, _ = await(ctx, n, op, func() (struct{}, error) { return struct{}{}, p.Wait() }, nil)
	p.Kill()
	var exit *ExitError
	if errors.As(p.Wait(), &exit) && exit.Result.Signal == "" {
		err = exit
	}
	return nil, fmt.Errorf("%s: %s: %w", n.cfg.Name, op, err)
}

// launchSubsystem starts the server that the node's sshd names. Session.Wait
// knows only commands, so the end of standard error stands for the end of the
// server, with no exit status.
func launchSubsystem(p *Process) (wait func() error, err error) {
	stderr, err := p.session.StderrPipe()
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := io.Copy(p.stderrIn, stderr)
		return errors.Join(err, &ssh.ExitMissingError{})
	}, p.session.RequestSubsystem("sftp")
}

// close ends the sftp-server and, at the latest with the connection, what
// waits for its answers.
func (s *sftpSession) close() {
	s.process.Kill()
	go s.client.Close()
}

// notFound is the shell's exit status for a command that is not there.
const notFound = 127

// sftpServerCommand finds the server where distributions put it: Debian,
// Fedora, SUSE and Arch, BSD.
func sftpServerCommand() string {
	dirs := []string{"/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec"}
	return "for d in " + strings.Join(dirs, " ") +
		`; do [ -x "$d/sftp-server" ] && exec "$d/sftp-server"; done; echo "no sftp-server found" >&2; exit ` + strconv.Itoa(notFound)
}
