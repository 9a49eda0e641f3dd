package network

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// LinkStats counts what passed one machine's link since the network was made.
// Frames dropped while the link was down are the proof that a cut took effect.
type LinkStats struct {
	Up           bool   `json:"up"`
	FramesIn     uint64 `json:"framesIn"`     // from the machine
	FramesOut    uint64 `json:"framesOut"`    // to the machine
	DroppedIn    uint64 `json:"droppedIn"`    // from the machine, while the link was down
	DroppedOut   uint64 `json:"droppedOut"`   // to the machine, while the link was down
	DroppedQueue uint64 `json:"droppedQueue"` // to a machine that did not read (stopped, say)
}

// link is a machine's cable. It outlives the QEMU process that it is plugged
// into: a machine that is started anew finds the link as it was.
type link struct {
	down                                                atomic.Bool
	framesIn, framesOut, dropIn, dropOut, dropQueueFull atomic.Uint64

	mu   sync.Mutex
	plug *plug
}

func (l *link) unplug() {
	l.mu.Lock()
	p := l.plug
	l.mu.Unlock()
	if p != nil {
		_ = p.Close()
	}
}

func (l *link) unplugged(p *plug) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.plug == p {
		l.plug = nil
	}
}

// Attach plugs a machine in and returns QEMU's end of the cable, a connected
// stream socket for `-netdev stream,server=off,addr.type=fd`. The caller closes
// it once QEMU has inherited it. A machine that was plugged in before is
// unplugged first.
func (n *Network) Attach(machine string) (*os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("plug in %s: %w", machine, err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "net-"+machine)
	ours := os.NewFile(uintptr(fds[0]), "net-"+machine)
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, fmt.Errorf("plug in %s: %w", machine, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		_ = conn.Close()
		_ = theirs.Close()
		return nil, fmt.Errorf("plug in %s: %w", machine, errClosed)
	}
	l := n.links[machine]
	if l == nil {
		l = &link{}
		n.links[machine] = l
	}
	l.unplug()
	p := newPlug(conn, l)
	l.mu.Lock()
	l.plug = p
	l.mu.Unlock()
	n.wg.Go(p.transmit)
	n.wg.Go(func() { n.serve(l, p) })
	return theirs, nil
}

// SetLink takes a machine's link up or down. Down, frames are dropped in both
// directions; the machine's interface keeps its carrier, as behind a dead switch.
func (n *Network) SetLink(machine string, up bool) error {
	l, err := n.link(machine)
	if err != nil {
		return err
	}
	l.down.Store(!up)
	return nil
}

// LinkStats reads a machine's counters.
func (n *Network) LinkStats(machine string) (LinkStats, error) {
	l, err := n.link(machine)
	if err != nil {
		return LinkStats{}, err
	}
	return LinkStats{
		Up:           !l.down.Load(),
		FramesIn:     l.framesIn.Load(),
		FramesOut:    l.framesOut.Load(),
		DroppedIn:    l.dropIn.Load(),
		DroppedOut:   l.dropOut.Load(),
		DroppedQueue: l.dropQueueFull.Load(),
	}, nil
}

func (n *Network) link(machine string) (*link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[machine]
	if l == nil {
		return nil, fmt.Errorf("lab network: no machine %q was ever plugged in", machine)
	}
	return l, nil
}

// Attached says whether a machine was ever plugged in.
func (n *Network) Attached(machine string) bool {
	_, err := n.link(machine)
	return err == nil
}
