package sshtest

import (
	"net"
	"sync"
	"time"
)

// link is a client's TCP connection with the server's faults on it.
type link struct {
	net.Conn
	faults *faults
	once   sync.Once
	closed chan struct{}
}

func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if !l.faults.frozen.pass(l.closed) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (l *link) Write(p []byte) (int, error) {
	if d := time.Duration(l.faults.latency.Load()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.closed:
			return 0, net.ErrClosed
		}
	}
	if !l.faults.frozen.pass(l.closed) {
		return 0, net.ErrClosed
	}
	return l.Conn.Write(p)
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}
