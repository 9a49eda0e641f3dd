package sshtest

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// faults holds what is wrong with a server at the moment.
type faults struct {
	authRefused        atomic.Bool
	connectionsRefused atomic.Bool
	sessionsRefused    atomic.Bool
	latency            atomic.Int64 // time.Duration
	frozen             valve
	filesHung          valve
}

// DropConnections breaks all connections at once, as a machine does that has
// forgotten them: with a reset.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		if tcp, ok := l.Conn.(*net.TCPConn); ok {
			// On failure the client sees an end of stream instead of a reset.
			_ = tcp.SetLinger(0)
		}
		l.Close()
	}
}

// Freeze makes the server fall silent, as a machine without power or network:
// connections stay open, nothing is read or answered. Thaw ends it.
func (s *Server) Freeze() { s.frozen.shut() }

// Thaw ends Freeze; what the clients sent in between is answered.
func (s *Server) Thaw() { s.frozen.open() }

// HangFiles makes every SFTP request hang, as on a dead mount, until
// UnhangFiles. Commands still run.
func (s *Server) HangFiles() { s.filesHung.shut() }

// UnhangFiles ends HangFiles.
func (s *Server) UnhangFiles() { s.filesHung.open() }

// RefuseAuth makes the server turn down every key, or end that.
func (s *Server) RefuseAuth(on bool) { s.authRefused.Store(on) }

// RefuseConnections makes the server close new connections at once, as a
// forwarded port with nothing behind it does, or end that.
func (s *Server) RefuseConnections(on bool) { s.connectionsRefused.Store(on) }

// RefuseSessions makes the server refuse further sessions on all connections,
// in the words of an OpenSSH that has reached MaxSessions, or end that.
func (s *Server) RefuseSessions(on bool) { s.sessionsRefused.Store(on) }

// SetLatency delays everything that the server sends, packet by packet.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// valve blocks its users while it is shut. The zero value is open.
type valve struct {
	mu     sync.Mutex
	opened chan struct{} // nil: open; closed when the valve opens
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opened == nil {
		v.opened = make(chan struct{})
	}
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opened != nil {
		close(v.opened)
		v.opened = nil
	}
}

// pass waits until the valve is open and returns true, or false when end is
// closed first.
func (v *valve) pass(end <-chan struct{}) bool {
	for {
		v.mu.Lock()
		opened := v.opened
		v.mu.Unlock()
		if opened == nil {
			return true
		}
		select {
		case <-opened:
		case <-end:
			return false
		}
	}
}
