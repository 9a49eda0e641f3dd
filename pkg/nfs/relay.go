package nfs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// maxReply bounds one reply of a server, in bytes. The library allocates
// whatever length a server announces.
const maxReply = 1 << 20

// relay is a listener on 127.0.0.1 that carries one connection to a server
// which only a dial function can reach: the library dials TCP addresses and
// nothing else. It checks the record marks (RFC 5531, section 11) of what the
// server sends, and closes both sides when its context ends.
type relay struct {
	listener net.Listener
	cancel   context.CancelFunc
	done     chan struct{}

	mu  sync.Mutex
	err error
}

func newRelay(ctx context.Context, dial DialFunc, addr string) (*relay, error) {
	server, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on loopback: %w", err), server.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &relay{listener: l, cancel: cancel, done: make(chan struct{})}
	go r.serve(ctx, server)
	return r, nil
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// close ends the relay and waits until nothing of it runs.
func (r *relay) close() {
	r.cancel()
	<-r.done
}

// fail notes what broke the relay.
func (r *relay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// failure returns what broke the relay, nil while nothing did.
func (r *relay) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *relay) serve(ctx context.Context, server net.Conn) {
	defer close(r.done)
	defer r.listener.Close()
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(r.listener.Close(), server.Close()) })
	defer stop()
	client, err := r.listener.Accept()
	if err != nil {
		_ = server.Close()
		return
	}
	stopClient := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stopClient()
	var wg sync.WaitGroup
	wg.Go(func() {
		// The client's closing ends it; what it sent is the library's.
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	wg.Go(func() {
		err := copyRecords(client, server)
		if err != nil && ctx.Err() == nil {
			r.fail(err)
		}
		_ = client.Close()
	})
	wg.Wait()
}

// copyRecords copies whole records, and refuses those that the library would
// misread: longer than maxReply, or in several fragments.
func copyRecords(dst io.Writer, src io.Reader) error {
	buf := make([]byte, 4)
	for {
		if _, err := io.ReadFull(src, buf[:4]); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the server closed the connection")
			}
			return fmt.Errorf("read from the server: %w", err)
		}
		mark := binary.BigEndian.Uint32(buf[:4])
		size := int(mark & 0x7fffffff)
		switch {
		case mark&0x80000000 == 0:
			return errors.New("the server answered in several fragments")
		case size > maxReply:
			return fmt.Errorf("the server announced a reply of %d bytes", size)
		}
		if cap(buf) < 4+size {
			buf = append(make([]byte, 0, 4+size), buf[:4]...)
		}
		buf = buf[:4+size]
		if n, err := io.ReadFull(src, buf[4:]); err != nil {
			return fmt.Errorf("read from the server: reply cut short after %d of %d bytes: %w", n, size, err)
		}
		if _, err := dst.Write(buf); err != nil {
			return fmt.Errorf("hand on a reply: %w", err)
		}
	}
}
