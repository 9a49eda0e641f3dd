package network

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

const (
	// frameHeader is the length that precedes a frame, 32 bits big endian
	// (net/stream.c in the QEMU source).
	frameHeader = 4
	minFrame    = 14          // an Ethernet header
	maxFrame    = 64<<10 + 14 // more than any frame that QEMU sends
	// queueFrames is how many frames wait for a machine that does not read;
	// at 1500 bytes 6 MiB, about Linux's largest TCP window.
	queueFrames = 4096
)

// plug is one QEMU process at the end of a link, as the connection that the
// switch reads from and writes to. Reads deliver whole, checked frames; writes
// never block, so that a machine that is stopped cannot stall the switch.
type plug struct {
	net.Conn
	link  *link
	in    *bufio.Reader
	rest  []byte // what of the current frame the switch has not read
	frame []byte

	queue  chan []byte
	closed chan struct{}
	once   sync.Once
}

func newPlug(conn net.Conn, l *link) *plug {
	return &plug{
		Conn:   conn,
		link:   l,
		in:     bufio.NewReaderSize(conn, 64<<10),
		queue:  make(chan []byte, queueFrames),
		closed: make(chan struct{}),
	}
}

// Read delivers the bytes of the next frame that the link lets through. It is
// called by the switch's one reading goroutine.
func (p *plug) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		frame, err := p.readFrame()
		if err != nil {
			return 0, err
		}
		if p.link.down.Load() {
			p.link.dropIn.Add(1)
			continue
		}
		p.link.framesIn.Add(1)
		p.rest = frame
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *plug) readFrame() ([]byte, error) {
	var head [frameHeader]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < minFrame || size > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes", size)
	}
	total := frameHeader + int(size)
	if cap(p.frame) < total {
		p.frame = make([]byte, total)
	}
	p.frame = p.frame[:total]
	copy(p.frame, head[:])
	if _, err := io.ReadFull(p.in, p.frame[frameHeader:]); err != nil {
		return nil, err
	}
	return p.frame, nil
}

// Write queues one frame with its length, as the switch writes it, or drops it.
func (p *plug) Write(b []byte) (int, error) {
	if p.link.down.Load() {
		p.link.dropOut.Add(1)
		return len(b), nil
	}
	select {
	case <-p.closed:
		return 0, net.ErrClosed
	case p.queue <- append([]byte(nil), b...):
		p.link.framesOut.Add(1)
	default:
		p.link.dropQueueFull.Add(1)
	}
	return len(b), nil
}

// transmit writes what is queued until the plug is pulled.
func (p *plug) transmit() {
	defer p.Close()
	out := bufio.NewWriterSize(p.Conn, 64<<10)
	for {
		select {
		case <-p.closed:
			return
		case b := <-p.queue:
			if _, err := out.Write(b); err != nil {
				return
			}
			if len(p.queue) > 0 {
				continue
			}
			if err := out.Flush(); err != nil {
				return
			}
		}
	}
}

// Close pulls the plug.
func (p *plug) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}
