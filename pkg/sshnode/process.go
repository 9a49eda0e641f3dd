package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	processStderr = 64 << 10        // bytes kept of a process's standard error
	killGrace     = 5 * time.Second // how long a killed process has to be gone
)

// Process is a command that runs on a node while its caller talks to it.
type Process struct {
	// Stdin and Stdout are the command's. Stdout must be read, or the command
	// blocks. When the connection breaks both fail with a *TransportError.
	Stdin  io.WriteCloser
	Stdout io.Reader

	node     *Node
	cmd      string
	session  *ssh.Session
	stderr   *tail
	stderrIn *groupFilter // leads to stderr
	begin    time.Time
	killed   chan struct{}
	kill     sync.Once
	done     chan struct{}
	err      error // set before done is closed
}

// Start starts a script of /bin/sh on the node. Ctx bounds the start alone:
// the process lives until it ends, Kill, or the end of the connection.
func (n *Node) Start(ctx context.Context, cmd string) (*Process, error) {
	return n.start(ctx, cmd, func(p *Process) (wait func() error, err error) {
		p.session.Stderr = p.stderrIn
		return p.session.Wait, p.session.Start(n.command(cmd))
	})
}

// start opens a session and starts what launch asks for in it. The wait that
// launch returns is called once and returns when the process has ended.
func (n *Node) start(ctx context.Context, cmd string, launch func(*Process) (wait func() error, err error)) (*Process, error) {
	op := fmt.Sprintf("start %q", brief(cmd))
	s, err := n.session(ctx, op)
	if err != nil {
		return nil, err
	}
	stderr := newTail(processStderr)
	p := &Process{
		node: n, cmd: cmd, session: s, stderr: stderr, stderrIn: newGroupFilter(stderr), begin: time.Now(),
		killed: make(chan struct{}), done: make(chan struct{}),
	}
	wait, err := await(ctx, n, op, func() (func() error, error) {
		stdin, err := s.StdinPipe()
		if err != nil {
			return nil, err
		}
		stdout, err := s.StdoutPipe()
		if err != nil {
			return nil, err
		}
		p.Stdin, p.Stdout = &processInput{p, stdin}, &processOutput{p, stdout}
		return launch(p)
	}, nil)
	if err != nil {
		n.abandon(s, p.stderrIn.known)
		return nil, n.asTransport(op, err)
	}
	go p.watch(wait)
	return p, nil
}

// watch waits for the end of the process.
func (p *Process) watch(wait func() error) {
	defer close(p.done)
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	op := fmt.Sprintf("wait for %q", brief(p.cmd))
	var err error
	select {
	case err = <-ended:
	case <-p.killed:
		grace := time.NewTimer(killGrace)
		defer grace.Stop()
		select {
		case err = <-ended:
		case <-grace.C:
			p.err = &TransportError{Node: p.node.cfg.Name, Op: op, Err: fmt.Errorf("killed, but not seen to end within %s", killGrace)}
			return
		}
	}
	go p.session.Close()
	p.stderrIn.flush()
	var res Result
	res.Stderr, res.Truncated = p.stderr.snapshot()
	res.Duration = time.Since(p.begin)
	var noStatus *ssh.ExitMissingError
	if isClosed(p.killed) && errors.As(err, &noStatus) && p.node.wire.err() == nil {
		res.ExitStatus, res.Signal = -1, string(ssh.SIGKILL)
		p.err = &ExitError{Node: p.node.cfg.Name, Cmd: p.cmd, Result: res}
		return
	}
	p.err = p.node.exit(op, p.cmd, &res, err)
}

// Stderr returns the last bytes, 64 KiB at most, of the standard error.
func (p *Process) Stderr() []byte {
	b, _ := p.stderr.snapshot()
	return b
}

// Done is closed when the process has ended or can no longer be watched.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process: nil for status 0, else an *ExitError
// (its Result without Stdout) or a *TransportError. It may be called often.
// Without Kill it waits as long as the process and the connection live.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Kill kills the process's group and closes its session without waiting. Wait
// then returns within 5 s: an *ExitError with Signal KILL, or a *TransportError
// if the node does not confirm the end, as with a process asleep in the kernel.
// After the end Kill does nothing: the group's number may be another's by then.
func (p *Process) Kill() {
	if isClosed(p.done) {
		return
	}
	p.kill.Do(func() {
		close(p.killed)
		p.node.abandon(p.session, p.stderrIn.known)
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Pipe returns the process as one stream: reads are from Stdout, writes go to
// Stdin. Close closes Stdin, gives the process 5 s to end, then kills it, and
// returns what Wait returns.
func (p *Process) Pipe() io.ReadWriteCloser { return &processPipe{p} }

type processPipe struct{ p *Process }

func (c *processPipe) Read(b []byte) (int, error)  { return c.p.Stdout.Read(b) }
func (c *processPipe) Write(b []byte) (int, error) { return c.p.Stdin.Write(b) }

func (c *processPipe) Close() error {
	// In the background: on a dead connection it would hang.
	go c.p.Stdin.Close()
	grace := time.NewTimer(killGrace)
	defer grace.Stop()
	select {
	case <-c.p.done:
	case <-grace.C:
		c.p.Kill()
	}
	return c.p.Wait()
}

// processOutput tells the end of the output from the end of the connection,
// which the ssh package both calls io.EOF.
type processOutput struct {
	p *Process
	r io.Reader
}

func (o *processOutput) Read(b []byte) (int, error) {
	n, err := o.r.Read(b)
	if err != io.EOF || o.p.node.wire.err() == nil {
		return n, err
	}
	// The connection is broken, so this does not take long. The process may
	// have ended before.
	<-o.p.done
	var transport *TransportError
	if errors.As(o.p.err, &transport) {
		return n, transport
	}
	return n, io.EOF
}

// processInput names the process in its errors.
type processInput struct {
	p *Process
	w io.WriteCloser
}

func (i *processInput) Write(b []byte) (int, error) {
	n, err := i.w.Write(b)
	if err == nil {
		return n, nil
	}
	op := fmt.Sprintf("write to %q", brief(i.p.cmd))
	if i.p.node.wire.err() != nil {
		return n, i.p.node.lost(op)
	}
	if errors.Is(err, io.EOF) { // the ssh package's word for a channel that is closed
		err = io.ErrClosedPipe
	}
	return n, fmt.Errorf("%s: %s: %w", i.p.node.cfg.Name, op, err)
}

func (i *processInput) Close() error { return i.w.Close() }
