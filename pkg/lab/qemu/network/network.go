// Package network is the wire between the machines of one lab: an Ethernet
// switch and a gateway that live inside this process (gvisor-tap-vsock's
// switch, gvisor's TCP/IP stack). Nothing of it exists on the host's network but
// listeners on 127.0.0.1, and there is no way out: the gateway forwards
// nothing, does no NAT and resolves no names, so that a guest reaches only
// other guests.
//
//	n, err := network.New(network.Config{Gateway: netip.MustParsePrefix("192.168.127.1/24")})
//	file, err := n.Attach("worker1") // hand it to -netdev stream,addr.type=fd
//	addr, err := n.Forward("worker1", netip.MustParseAddrPort("192.168.127.11:22"))
package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/containers/gvisor-tap-vsock/pkg/tap"
	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	// MTU is the largest IP packet on the wire, in bytes: plain Ethernet's.
	MTU = 1500
	// gatewayMAC is locally administered.
	gatewayMAC = "52:54:00:7f:00:01"
	nicID      = 1
)

// Config says where the gateway sits.
type Config struct {
	Gateway netip.Prefix // address of the gateway and length of the subnet; IPv4
}

// Network is the switch, the gateway and the forwards. It is safe for
// concurrent use.
type Network struct {
	sw    *tap.Switch
	stack *stack.Stack

	mu       sync.Mutex
	links    map[string]*link
	forwards map[string][]*forward
	closed   bool
	wg       sync.WaitGroup
}

// New makes a network with a gateway and no machines.
func New(cfg Config) (*Network, error) {
	addr := cfg.Gateway.Addr()
	if !addr.Is4() {
		return nil, fmt.Errorf("make lab network: gateway %s is not IPv4", cfg.Gateway)
	}
	endpoint, err := tap.NewLinkEndpoint(false, MTU, gatewayMAC, addr.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make lab network: %w", err)
	}
	sw := tap.NewSwitch(false)
	endpoint.Connect(sw)
	sw.Connect(endpoint)

	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := s.CreateNIC(nicID, endpoint); err != nil {
		return nil, fmt.Errorf("make lab network: create gateway: %s", err)
	}
	gateway := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr.As4()), PrefixLen: cfg.Gateway.Bits()}
	if err := s.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: gateway,
	}, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("make lab network: address gateway: %s", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: gateway.Subnet(), NIC: nicID}})

	return &Network{
		sw:       sw,
		stack:    s,
		links:    map[string]*link{},
		forwards: map[string][]*forward{},
	}, nil
}

// Close cuts every link and every forward and waits for their goroutines.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	for _, fs := range n.forwards {
		for _, f := range fs {
			f.close()
		}
	}
	for _, l := range n.links {
		l.unplug()
	}
	n.mu.Unlock()
	n.wg.Wait()
	n.stack.Destroy()
	return nil
}

// errClosed is what a closed network answers.
var errClosed = errors.New("lab network is closed")

func (n *Network) serve(l *link, p *plug) {
	// The switch reads until the connection ends; its error says only that.
	_ = n.sw.Accept(context.Background(), p, types.QemuProtocol)
	_ = p.Close()
	l.unplugged(p)
}
