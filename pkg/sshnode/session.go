package sshnode

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/sshnode/internal/shell"
)

// session opens a session, the channel that one command runs in.
func (n *Node) session(ctx context.Context, op string) (*ssh.Session, error) {
	s, err := await(ctx, n, op, n.client.NewSession, func(s *ssh.Session) { s.Close() })
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return nil, &TransportError{Node: n.cfg.Name, Op: op, Err: &SessionRefusedError{Reason: refused.Reason, Message: refused.Message}}
	}
	return s, n.asTransport(op, err)
}

// asTransport wraps what the ssh package says in a *TransportError. An error
// that has its class already stays as it is.
func (n *Node) asTransport(op string, err error) error {
	var transport *TransportError
	if err == nil || errors.As(err, &transport) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &TransportError{Node: n.cfg.Name, Op: op, Err: err}
}

// command returns the command line as the node gets it.
func (n *Node) command(cmd string) string {
	return shell.Command{Line: cmd, Sudo: n.cfg.Sudo}.String()
}

// exit turns what ssh.Session.Wait returned into a status: that of res, or an
// *ExitError holding res, or a *TransportError.
func (n *Node) exit(op, cmd string, res *Result, err error) error {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		res.ExitStatus, res.Signal = exit.ExitStatus(), exit.Signal()
		return &ExitError{Node: n.cfg.Name, Cmd: cmd, Result: *res}
	}
	res.ExitStatus = -1
	if n.wire.err() != nil {
		return n.lost(op)
	}
	return &TransportError{Node: n.cfg.Name, Op: op, Err: fmt.Errorf("session ended with no exit status: %w", err)}
}
