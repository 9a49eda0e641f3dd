package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Dial opens a connection from the node to addr: network "tcp" with host:port,
// or "unix" with a path. A target that refuses is an error that wraps an
// *ssh.OpenChannelError; a broken connection to the node is a *TransportError.
// Ctx bounds the dialling alone. The connection has no deadlines (the SSH
// protocol has none); where they are needed, use Forward.
func (n *Node) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	op := fmt.Sprintf("dial %s %s from the node", network, addr)
	switch network {
	case "tcp", "unix":
	default:
		return nil, &UsageError{Node: n.cfg.Name, Problem: op + `: network is neither "tcp" nor "unix"`}
	}
	conn, err := await(ctx, n, op,
		func() (net.Conn, error) { return n.client.Dial(network, addr) },
		func(c net.Conn) { c.Close() })
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("%s: %s: %w", n.cfg.Name, op, refused)
	}
	return conn, n.asTransport(op, err)
}

// Forward listens on a free port of 127.0.0.1 and connects whoever comes to
// remoteAddr as seen from the node: host:port, or the path of a unix socket.
// Ctx bounds the set-up alone; the forward lasts until stop is called or the
// node's connection ends. It does not check that remoteAddr answers: a client
// finds out by the end of its connection. Stop closes the listener and all
// connections through it.
func (n *Node) Forward(ctx context.Context, remoteAddr string) (local net.Addr, stop func() error, err error) {
	if n.wire.err() != nil {
		return nil, nil, n.lost("forward " + remoteAddr)
	}
	network := "tcp"
	if strings.HasPrefix(remoteAddr, "/") {
		network = "unix"
	} else if _, _, err := net.SplitHostPort(remoteAddr); err != nil {
		return nil, nil, &UsageError{Node: n.cfg.Name, Problem: "forward: neither host:port nor a path", Err: err}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("%s: forward %s: %w", n.cfg.Name, remoteAddr, err)
	}
	life, end := context.WithCancel(context.Background())
	f := &forward{node: n, network: network, addr: remoteAddr, listener: l, life: life}
	f.wg.Go(f.accept)
	go func() {
		select {
		case <-n.closed:
			end()
			l.Close()
		case <-life.Done():
		}
	}()
	stop = sync.OnceValue(func() error {
		end()
		err := l.Close()
		f.wg.Wait()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	})
	return l.Addr(), stop, nil
}

// forward is one listener and its connections.
type forward struct {
	node          *Node
	network, addr string
	listener      net.Listener
	life          context.Context
	wg            sync.WaitGroup
}

func (f *forward) accept() {
	for {
		local, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.wg.Go(func() { f.join(local) })
	}
}

// join connects local with the target until both directions are done.
func (f *forward) join(local net.Conn) {
	defer local.Close()
	ctx, cancel := context.WithTimeout(f.life, f.node.cfg.ConnectTimeout)
	remote, err := f.node.Dial(ctx, f.network, f.addr)
	cancel()
	if err != nil {
		return
	}
	defer remote.Close()
	both := make(chan struct{}, 2)
	go pour(remote, local, both)
	go pour(local, remote, both)
	for range 2 {
		select {
		case <-both:
		case <-f.life.Done():
			return
		}
	}
}

// pour copies src to dst and passes the end of the stream on, for protocols
// that close one direction first.
func pour(dst, src net.Conn, done chan<- struct{}) {
	_, err := io.Copy(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		dst.Close()
	}
	done <- struct{}{}
}
