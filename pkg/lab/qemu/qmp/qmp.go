// Package qmp is a client of the QEMU Machine Protocol: newline-separated JSON
// over a socket (docs/interop/qmp-spec.rst in the QEMU source).
//
//	c, err := qmp.New(ctx, conn)
//	var st struct{ Status string `json:"status"` }
//	err = c.Execute(ctx, "query-status", nil, &st)
package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

const (
	// maxLine bounds one message; QEMU's own longest answers are some 100 KiB.
	maxLine = 1 << 20
	// eventBuffer is how many events wait for a reader before the oldest goes.
	eventBuffer = 64
)

// Error is QEMU's own refusal of a command.
type Error struct {
	Command string
	Class   string // "GenericError", "CommandNotFound", ...
	Desc    string
}

// Error names the command and QEMU's reason.
func (e *Error) Error() string {
	return fmt.Sprintf("qmp %s: %s: %s", e.Command, e.Class, e.Desc)
}

// ErrClosed is wrapped by every error that comes from the end of the connection.
var ErrClosed = errors.New("qmp connection closed")

// Client is one QMP connection. It is safe for concurrent use; commands are
// answered one by one, in order.
type Client struct {
	conn   net.Conn
	events chan Event
	done   chan struct{}

	writing sync.Mutex // one command line at a time
	mu      sync.Mutex // guards what follows
	nextID  uint64
	waiting map[uint64]chan message
	err     error
}

// New reads the greeting, negotiates no capabilities and starts reading. It
// owns conn from then on, also when it fails.
func New(ctx context.Context, conn net.Conn) (*Client, error) {
	c := &Client{
		conn:    conn,
		events:  make(chan Event, eventBuffer),
		done:    make(chan struct{}),
		waiting: map[uint64]chan message{},
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	dec := newDecoder(conn)
	greeting, err := dec.next()
	if err != nil || greeting.Greeting == nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err == nil {
			err = errors.New("first line is no greeting")
		}
		return nil, fmt.Errorf("read qmp greeting: %w", err)
	}
	go c.read(dec)
	if err := c.Execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("negotiate qmp capabilities: %w", err)
	}
	return c, nil
}

// Execute runs one command and decodes its return value into out, which may be
// nil. A refusal is an *Error, the end of the connection wraps ErrClosed.
func (c *Client) Execute(ctx context.Context, command string, args, out any) error {
	return c.execute(ctx, command, args, out, nil)
}

// SendFile gives QEMU an open file under a name (the command getfd). The
// connection must be a unix socket; the caller may close the file afterwards.
func (c *Client) SendFile(ctx context.Context, name string, file *os.File) error {
	return c.execute(ctx, "getfd", map[string]string{"fdname": name}, nil, file)
}

func (c *Client) execute(ctx context.Context, command string, args, out any, file *os.File) error {
	id, answer, err := c.register()
	if err != nil {
		return fmt.Errorf("qmp %s: %w", command, err)
	}
	defer c.forget(id)
	line, err := json.Marshal(request{Execute: command, Arguments: args, ID: id})
	if err != nil {
		return fmt.Errorf("encode qmp %s: %w", command, err)
	}
	if err := c.send(append(line, '\n'), file); err != nil {
		return fmt.Errorf("send qmp %s: %w", command, err)
	}
	select {
	case m := <-answer:
		return decodeAnswer(command, m, out)
	case <-c.done:
		select { // the answer may have been the last line
		case m := <-answer:
			return decodeAnswer(command, m, out)
		default:
			return fmt.Errorf("qmp %s: %w", command, c.Err())
		}
	case <-ctx.Done():
		return fmt.Errorf("qmp %s: %w", command, ctx.Err())
	}
}

func (c *Client) send(line []byte, file *os.File) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var err error
	if file == nil {
		_, err = c.conn.Write(line)
	} else {
		unix, ok := c.conn.(*net.UnixConn)
		if !ok {
			return errors.New("cannot send a file: not a unix socket")
		}
		_, _, err = unix.WriteMsgUnix(line, syscall.UnixRights(int(file.Fd())), nil)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return nil
}

func decodeAnswer(command string, m message, out any) error {
	if m.Error != nil {
		return &Error{Command: command, Class: m.Error.Class, Desc: m.Error.Desc}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(m.Return, out); err != nil {
		return fmt.Errorf("decode qmp %s: %w", command, err)
	}
	return nil
}

// Events delivers what QEMU reports on its own account (RESET, SHUTDOWN, ...).
// A reader that is too slow loses the oldest. The channel is closed when the
// connection ends.
func (c *Client) Events() <-chan Event { return c.events }

// Done is closed when the connection has ended; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, nil while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection; pending commands fail.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

func (c *Client) read(dec *decoder) {
	defer close(c.events)
	for {
		m, err := dec.next()
		if err != nil {
			c.fail(err)
			return
		}
		switch {
		case m.Event != "":
			c.deliverEvent(m.event())
		case m.ID != nil:
			c.mu.Lock()
			answer := c.waiting[*m.ID]
			delete(c.waiting, *m.ID)
			c.mu.Unlock()
			if answer != nil {
				answer <- m
			}
		}
	}
}

func (c *Client) deliverEvent(e Event) {
	for {
		select {
		case c.events <- e:
			return
		default:
		}
		select {
		case <-c.events:
		default:
		}
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		c.err = ErrClosed
	} else {
		c.err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	c.mu.Unlock()
	_ = c.conn.Close()
	close(c.done)
}

func (c *Client) register() (uint64, chan message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	c.nextID++
	answer := make(chan message, 1)
	c.waiting[c.nextID] = answer
	return c.nextID, answer, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}
