package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

// forwardDial bounds the wait for a machine to take a connection. It is short
// because a caller that waits for a machine to boot tries again anyway, and
// the pauses between the SYNs of one attempt grow.
const forwardDial = 3 * time.Second

// forward is one listener on 127.0.0.1 whose connections go to a machine.
type forward struct {
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// Forward listens on a free port of 127.0.0.1 and passes each connection on to
// target, an address of the machine. It returns the listener's address.
func (n *Network) Forward(machine string, target netip.AddrPort) (netip.AddrPort, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return netip.AddrPort{}, fmt.Errorf("forward to %s: %w", target, errClosed)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // binds a port: nothing to wait for
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("forward to %s: %w", target, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &forward{listener: listener, ctx: ctx, cancel: cancel, conns: map[net.Conn]struct{}{}}
	n.forwards[machine] = append(n.forwards[machine], f)
	n.wg.Go(func() { n.accept(f, target) })
	return netip.ParseAddrPort(listener.Addr().String())
}

// DropConns closes every connection that is forwarded to a machine, for one
// that was reset: it will not say goodbye itself.
func (n *Network) DropConns(machine string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.forwards[machine] {
		f.dropConns()
	}
}

func (n *Network) accept(f *forward, target netip.AddrPort) {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		if !f.track(conn) {
			continue
		}
		n.wg.Go(func() {
			defer f.untrack(conn)
			n.pass(f, conn, target)
		})
	}
}

func (n *Network) pass(f *forward, conn net.Conn, target netip.AddrPort) {
	ctx, cancel := context.WithTimeout(f.ctx, forwardDial)
	guest, err := gonet.DialContextTCP(ctx, n.stack, tcpip.FullAddress{
		NIC:  nicID,
		Addr: tcpip.AddrFrom4(target.Addr().As4()),
		Port: target.Port(),
	}, ipv4.ProtocolNumber)
	cancel()
	if err != nil {
		return
	}
	if !f.track(guest) {
		return
	}
	defer f.untrack(guest)
	var half sync.WaitGroup
	half.Go(func() { pipe(guest, conn) })
	pipe(conn, guest)
	half.Wait()
}

// pipe copies until src ends and passes the end on.
func pipe(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if c, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
		if c.CloseWrite() == nil {
			return
		}
	}
	_ = dst.Close()
	_ = src.Close()
}

func (f *forward) track(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
		_ = c.Close()
		return false
	}
	f.conns[c] = struct{}{}
	return true
}

func (f *forward) untrack(c net.Conn) {
	f.mu.Lock()
	delete(f.conns, c)
	f.mu.Unlock()
	_ = c.Close()
}

func (f *forward) dropConns() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close()
	}
}

func (f *forward) close() {
	f.cancel()
	_ = f.listener.Close()
	f.dropConns()
}
