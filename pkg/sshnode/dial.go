package sshnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/crypto/ssh"
)

// First and longest pause between two attempts of Dial.
const (
	dialPauseMin = 100 * time.Millisecond
	dialPauseMax = 2 * time.Second
)

// Dial connects to a node. After a transport failure it tries again, with
// growing pauses, until it succeeds, ctx ends or cfg.DialRetry is over; the
// error is then a *TransportError with the last failure. A *UsageError,
// *HostKeyError or *AuthError ends it at once. Ctx bounds Dial alone, not the
// life of the node.
func Dial(ctx context.Context, cfg Config) (*Node, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	var algos []string // host key algorithms learned from a first handshake
	var last error
	attempt := func() (*Node, error) {
		n, err := connect(ctx, cfg, algos)
		var wrongKey *HostKeyError
		if algos == nil && errors.As(err, &wrongKey) && wrongKey.Node == cfg.Name {
			if algos = wrongKey.otherAlgorithms(); algos != nil {
				first := err
				n, err = connect(ctx, cfg, algos)
				var none *ssh.AlgorithmNegotiationError
				if errors.As(err, &none) {
					err = first
				}
			}
		}
		if err == nil {
			return n, nil
		}
		var transport *TransportError
		if !errors.As(err, &transport) {
			return nil, backoff.Permanent(err)
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		return nil, err
	}
	n, err := backoff.RetryWithData(attempt, backoff.WithContext(cfg.dialBackOff(ctx), ctx))
	if err == nil {
		return n, nil
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		if last == nil {
			last = errors.New("no attempt made")
		}
		return nil, &TransportError{Node: cfg.Name, Op: "dial " + cfg.Addr, Err: fmt.Errorf("%w, last failure: %w", ctxErr, last)}
	}
	return nil, err
}

func (c Config) dialBackOff(ctx context.Context) backoff.BackOff {
	if c.DialRetry < 0 {
		return &backoff.StopBackOff{}
	}
	limit := c.DialRetry
	if limit == 0 {
		if _, bounded := ctx.Deadline(); !bounded {
			limit = DefaultDialRetry
		}
	}
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(dialPauseMin),
		backoff.WithMaxInterval(dialPauseMax),
		backoff.WithMaxElapsedTime(limit), // 0: no limit
	)
}

// connect makes one attempt. hostKeyAlgos limits the host keys that the node
// may show; nil: any.
func connect(ctx context.Context, cfg Config, hostKeyAlgos []string) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	signers, release, err := cfg.keys(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	conn, err := cfg.open(ctx)
	if err != nil {
		return nil, err
	}
	return handshake(ctx, &wire{Conn: conn}, cfg, hostKeyAlgos, signers)
}

// open returns the byte stream to the node's SSH server.
func (c Config) open(ctx context.Context) (net.Conn, error) {
	if c.Jump == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Addr)
		if err != nil {
			return nil, &TransportError{Node: c.Name, Op: "connect", Err: err}
		}
		return conn, nil
	}
	jump, err := Dial(ctx, *c.Jump)
	if err != nil {
		return nil, fmt.Errorf("%s: jump host: %w", c.Name, err)
	}
	conn, err := jump.Dial(ctx, "tcp", c.Addr)
	if err != nil {
		jump.Close()
		return nil, &TransportError{Node: c.Name, Op: "connect", Err: err}
	}
	return &jumpConn{Conn: conn, jump: jump}, nil
}

// jumpConn is a stream through a jump host of its own.
type jumpConn struct {
	net.Conn
	jump *Node
}

// Close takes the jump host's connection down first: the end of the stream
// alone would wait for an answer of a jump host that may be gone.
func (c *jumpConn) Close() error { return c.jump.Close() }

// handshake turns w into a node. It owns w.
func handshake(ctx context.Context, w *wire, cfg Config, hostKeyAlgos []string, signers []ssh.Signer) (*Node, error) {
	type outcome struct {
		conn    ssh.Conn
		chans   <-chan ssh.NewChannel
		reqs    <-chan *ssh.Request
		wrong   *HostKeyError
		trusted bool // the host key was accepted
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		client := &ssh.ClientConfig{
			User:              cfg.User,
			Auth:              []ssh.AuthMethod{ssh.PublicKeys(signers...)},
			HostKeyAlgorithms: hostKeyAlgos,
			HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
				if err := cfg.HostKeys(host, remote, key); err != nil {
					o.wrong = hostKeyError(cfg.Name, cfg.Addr, key, err)
					return o.wrong
				}
				o.trusted = true
				return nil
			},
		}
		o.conn, o.chans, o.reqs, o.err = ssh.NewClientConn(w, cfg.Addr, client)
		done <- o
	}()
	select {
	case <-ctx.Done():
		w.fail(ctx.Err())
		go func() {
			if o := <-done; o.err == nil {
				o.conn.Close()
			}
		}()
		return nil, &TransportError{Node: cfg.Name, Op: "connect", Err: fmt.Errorf("no complete SSH handshake: %w", ctx.Err())}
	case o := <-done:
		if o.err == nil {
			return newNode(cfg, w, ssh.NewClient(o.conn, o.chans, o.reqs)), nil
		}
		w.fail(o.err)
		var noCommon *ssh.AlgorithmNegotiationError
		switch {
		case o.wrong != nil:
			return nil, o.wrong
		case isIO(o.err):
			return nil, &TransportError{Node: cfg.Name, Op: "connect", Err: o.err}
		case errors.As(o.err, &noCommon):
			return nil, &UsageError{Node: cfg.Name, Problem: "agree on algorithms with " + cfg.Addr, Err: o.err}
		case o.trusted:
			offered := make([]string, len(signers))
			for i, s := range signers {
				offered[i] = fingerprint(s.PublicKey())
			}
			return nil, &AuthError{Node: cfg.Name, Addr: cfg.Addr, User: cfg.User, Offered: offered, Err: o.err}
		default:
			return nil, &TransportError{Node: cfg.Name, Op: "connect", Err: o.err}
		}
	}
}
