package network_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/nfsim/nfsim/pkg/lab/qemu/network"
)

var (
	gateway = netip.MustParsePrefix("192.168.127.1/24")
	addrA   = netip.MustParseAddr("192.168.127.11")
	addrB   = netip.MustParseAddr("192.168.127.12")
)

// guest is a machine without a machine: a TCP/IP stack of its own behind the
// socket that QEMU would get.
type guest struct {
	stack *stack.Stack
}

func newGuest(t *testing.T, file *os.File, addr netip.Addr) *guest {
	t.Helper()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	mac := tcpip.LinkAddress([]byte{0x52, 0x54, 0, 0x7f, 0, addr.As4()[3]})
	ep := channel.New(512, network.MTU+14, mac)
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := s.CreateNIC(1, ethernet.New(ep)); err != nil {
		t.Fatal(err)
	}
	if err := s.AddProtocolAddress(1, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr.As4()), PrefixLen: 24},
	}, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	all, err := tcpip.NewSubnet(tcpip.AddrFrom4([4]byte{}), tcpip.MaskFrom("\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	local := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr.As4()), PrefixLen: 24}.Subnet()
	s.SetRouteTable([]tcpip.Route{
		{Destination: local, NIC: 1},
		{Destination: all, Gateway: tcpip.AddrFrom4(gateway.Addr().As4()), NIC: 1},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			pkt := ep.ReadContext(ctx)
			if pkt == nil {
				return
			}
			view := pkt.ToView()
			frame := binary.BigEndian.AppendUint32(nil, uint32(view.Size()))
			frame = append(frame, view.AsSlice()...)
			pkt.DecRef()
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		in := bufio.NewReader(conn)
		for {
			var size uint32
			if binary.Read(in, binary.BigEndian, &size) != nil {
				return
			}
			frame := make([]byte, size)
			if _, err := io.ReadFull(in, frame); err != nil {
				return
			}
			pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
			ep.InjectInbound(0, pkt)
			pkt.DecRef()
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
		<-done
		<-done
		s.Destroy()
	})
	return &guest{stack: s}
}

func (g *guest) dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	return gonet.DialContextTCP(ctx, g.stack, tcpip.FullAddress{
		NIC: 1, Addr: tcpip.AddrFrom4(addr.Addr().As4()), Port: addr.Port(),
	}, ipv4.ProtocolNumber)
}

// echo answers every connection to port 7 with what it says.
func (g *guest) echo(t *testing.T) {
	t.Helper()
	l, err := gonet.ListenTCP(g.stack, tcpip.FullAddress{NIC: 1, Port: 7}, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
}

func newNetwork(t *testing.T) *network.Network {
	t.Helper()
	n, err := network.New(network.Config{Gateway: gateway})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func attach(t *testing.T, n *network.Network, machine string, addr netip.Addr) *guest {
	t.Helper()
	f, err := n.Attach(machine)
	if err != nil {
		t.Fatal(err)
	}
	return newGuest(t, f, addr)
}

func testContext(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func roundTrip(conn net.Conn, size int) error {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		sent <- err
	}()
	if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
		return err
	}
	return <-sent
}

func TestGuestsReachEachOther(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, b := attach(t, n, "a", addrA), attach(t, n, "b", addrB)
	b.echo(t)
	conn, err := a.dial(testContext(t, 20*time.Second), netip.AddrPortFrom(addrB, 7))
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(conn, 1<<20); err != nil {
		t.Fatal(err)
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	attach(t, n, "a", addrA).echo(t)
	addr, err := n.Forward("a", netip.AddrPortFrom(addrA, 7))
	if err != nil {
		t.Fatal(err)
	}
	if !addr.Addr().IsLoopback() {
		t.Errorf("listens on %s, want loopback", addr)
	}
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := roundTrip(conn, 1<<20); err != nil {
		t.Fatal(err)
	}
	n.DropConns("a")
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after DropConns: %v, want an end", err)
	}
	again, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := roundTrip(again, 100); err != nil {
		t.Errorf("new connection after DropConns: %v", err)
	}
}

// TestNoWayOut proves that a guest reaches neither the host nor anything
// behind it: not the host's loopback through the gateway, not the host's own
// addresses, not an address of the documentation range.
func TestNoWayOut(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var accepted atomic.Int32
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = c.Close()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).AddrPort().Port()

	targets := []netip.Addr{
		gateway.Addr(),
		netip.MustParseAddr("127.0.0.1"),
		netip.MustParseAddr("192.0.2.1"),
		netip.MustParseAddr("192.168.127.254"), // gvisor-tap-vsock's usual alias of the host
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			targets = append(targets, p.Addr())
		}
	}
	n := newNetwork(t)
	a := attach(t, n, "a", addrA)
	for _, target := range targets {
		conn, err := a.dial(testContext(t, 2*time.Second), netip.AddrPortFrom(target, port))
		if err == nil {
			_ = conn.Close()
			t.Errorf("a guest reached %s:%d", target, port)
		}
	}
	if got := accepted.Load(); got != 0 {
		t.Errorf("the host accepted %d connections from a guest", got)
	}
}

func TestLinkDown(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, b := attach(t, n, "a", addrA), attach(t, n, "b", addrB)
	b.echo(t)
	to := netip.AddrPortFrom(addrB, 7)
	if _, err := a.dial(testContext(t, 20*time.Second), to); err != nil {
		t.Fatal(err)
	}
	if err := n.SetLink("b", false); err != nil {
		t.Fatal(err)
	}
	if _, err := a.dial(testContext(t, time.Second), to); err == nil {
		t.Error("reached a machine whose link is down")
	}
	st, err := n.LinkStats("b")
	if err != nil {
		t.Fatal(err)
	}
	if st.Up || st.DroppedOut == 0 {
		t.Errorf("stats = %+v, want down with frames dropped", st)
	}
	if err := n.SetLink("b", true); err != nil {
		t.Fatal(err)
	}
	if _, err := a.dial(testContext(t, 20*time.Second), to); err != nil {
		t.Errorf("after the link came back: %v", err)
	}
	if err := n.SetLink("nobody", false); err == nil {
		t.Error("set the link of a machine that is not there")
	}
}

// TestStoppedMachineStallsNobody has one machine that never reads while
// another floods it: the others must go on.
func TestStoppedMachineStallsNobody(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	stopped, err := n.Attach("stopped")
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Close()
	flooder, err := n.Attach("flooder")
	if err != nil {
		t.Fatal(err)
	}
	defer flooder.Close()
	a, b := attach(t, n, "a", addrA), attach(t, n, "b", addrB)
	b.echo(t)

	frame := make([]byte, 4+1514)
	binary.BigEndian.PutUint32(frame, 1514)
	copy(frame[4:], "\xff\xff\xff\xff\xff\xff\x52\x54\x00\x7f\x00\x63\x88\xb5")
	go func() {
		for range 6000 {
			if _, err := syscall.Write(int(flooder.Fd()), frame); err != nil {
				return
			}
		}
	}()
	for {
		st, err := n.LinkStats("stopped")
		if err != nil {
			t.Fatal(err)
		}
		if st.DroppedQueue > 0 {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal("queue never filled")
		case <-time.After(10 * time.Millisecond):
		}
	}
	conn, err := a.dial(testContext(t, 20*time.Second), netip.AddrPortFrom(addrB, 7))
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(conn, 100_000); err != nil {
		t.Fatal(err)
	}
}

func TestBadFramesEndOnlyThatLink(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]uint32{"short": 3, "huge": 1 << 31} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			bad, err := n.Attach("bad")
			if err != nil {
				t.Fatal(err)
			}
			defer bad.Close()
			if err := binary.Write(bad, binary.BigEndian, head); err != nil {
				t.Fatal(err)
			}
			if _, err := bad.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read = %v, want the end of the link", err)
			}
			a, b := attach(t, n, "a", addrA), attach(t, n, "b", addrB)
			b.echo(t)
			if _, err := a.dial(testContext(t, 20*time.Second), netip.AddrPortFrom(addrB, 7)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	f, err := n.Attach("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	addr, err := n.Forward("a", netip.AddrPortFrom(addrA, 7))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", addr.String()); err == nil {
		t.Error("forward still listens")
	}
	if _, err := n.Attach("b"); err == nil {
		t.Error("attached to a closed network")
	}
	if _, err := n.Forward("b", netip.AddrPortFrom(addrA, 7)); err == nil {
		t.Error("forwarded on a closed network")
	}
}
