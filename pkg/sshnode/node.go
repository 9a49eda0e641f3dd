package sshnode

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
)

// Node is one machine behind one connection. Safe for concurrent use. Once the
// connection is gone the node stays gone: dial a new one.
type Node struct {
	cfg    Config
	wire   *wire
	client *ssh.Client
	closed chan struct{}
	files  *sftpPool
}

func newNode(cfg Config, w *wire, client *ssh.Client) *Node {
	n := &Node{cfg: cfg, wire: w, client: client, closed: make(chan struct{}), files: newSFTPPool()}
	go func() {
		err := client.Wait()
		w.fail(err)
		close(n.closed)
	}()
	go n.keepAlive()
	return n
}

// Name is Config.Name.
func (n *Node) Name() string { return n.cfg.Name }

// Sudo reports whether commands become root by sudo because the login is not:
// what Dial and Forward reach is then limited to what the login may reach.
func (n *Node) Sudo() bool { return n.cfg.Sudo }

// Closed is closed when the connection has ended, for whatever reason.
func (n *Node) Closed() <-chan struct{} { return n.closed }

// Err returns why the connection ended, as a *TransportError, nil while it
// lives. After Close the cause is net.ErrClosed.
func (n *Node) Err() error {
	if n.wire.err() == nil {
		return nil
	}
	return n.lost("connection")
}

// Close ends the connection and everything that uses it. Commands that run on
// the node lose their session; whether they end is up to them.
func (n *Node) Close() error {
	n.wire.fail(net.ErrClosed)
	return nil
}

// lost returns the error of an operation that the end of the connection ended.
func (n *Node) lost(op string) error {
	return &TransportError{Node: n.cfg.Name, Op: op, Err: fmt.Errorf("connection lost: %w", n.wire.err())}
}

// gaveUp returns the error of an operation that the end of its context ended.
func (n *Node) gaveUp(op string, cause error) error {
	return fmt.Errorf("%s: %s: %w", n.cfg.Name, op, cause)
}

// await runs f, which may hang with the node, until f returns, ctx ends or the
// connection does. What f returns too late goes to discard, which may be nil.
// An error of f is returned as it is while the connection lives.
func await[T any](ctx context.Context, n *Node, op string, f func() (T, error), discard func(T)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, n.gaveUp(op, err)
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := f()
		done <- outcome{v, err}
	}()
	var err error
	select {
	case o := <-done:
		if o.err != nil && n.wire.err() != nil {
			return zero, n.lost(op)
		}
		return o.v, o.err
	case <-ctx.Done():
		err = n.gaveUp(op, ctx.Err())
	case <-n.closed:
		err = n.lost(op)
	}
	go func() {
		if o := <-done; o.err == nil && discard != nil {
			discard(o.v)
		}
	}()
	return zero, err
}
