package sshnode

import (
	"net"
	"sync"
)

// wire is the byte stream below an SSH connection. It remembers why it broke:
// the ssh package ends sessions on a broken stream as if the node had ended
// them. The cause is recorded before the ssh package can see it, so whoever
// sees a session end unexpectedly finds the cause here.
type wire struct {
	net.Conn

	mu    sync.Mutex
	cause error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.record(err)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.record(err)
	}
	return n, err
}

// fail breaks the stream for the given reason, unless it broke before.
func (w *wire) fail(cause error) {
	w.record(cause)
	w.Conn.Close()
}

func (w *wire) record(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = cause
	}
}

// err returns why the stream broke, nil while it works.
func (w *wire) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}
