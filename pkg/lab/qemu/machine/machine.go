// Package machine runs one virtual machine: a QEMU process that dies with this
// one, its QMP connection, its console file, and its state on disk.
//
//	m, err := machine.Start(ctx, machine.Config{Name: "worker1", QEMU: "/usr/bin/qemu-system-x86_64", ...}, netFile)
//	err = m.Reset(ctx)
//	m.Kill()
package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu/qmp"
)

// startTimeout bounds QEMU's own start, up to its answer on QMP.
const startTimeout = 30 * time.Second

// Machine is a QEMU process.
type Machine struct {
	cfg    Config
	child  *child
	qmp    *qmp.Client
	stderr *lastBytes
}

// Start starts QEMU and waits for its QMP greeting, not for the guest. network
// is the machine's end of its cable; Start closes it. With cfg.Resume the state
// is loaded and the machine left paused for Continue.
func Start(ctx context.Context, cfg Config, network *os.File) (*Machine, error) {
	defer network.Close()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := rotate(cfg.Console); err != nil {
		return nil, fmt.Errorf("start machine %s: %w", cfg.Name, err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("start machine %s: %w", cfg.Name, err)
	}
	defer theirs.Close()
	m := &Machine{cfg: cfg, stderr: &lastBytes{max: 8 << 10}}
	cmd := exec.Command(cfg.QEMU, cfg.Args()...) //nolint:noctx // ends with this process, or by Kill
	cmd.Dir = filepath.Dir(cfg.Console)
	cmd.Stderr = m.stderr
	cmd.ExtraFiles = []*os.File{network, theirs} // fdNet, fdQMP
	// A session of its own: the terminal's Ctrl-C is for us to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if m.child, err = startChild(cmd); err != nil {
		_ = ours.Close()
		return nil, &lab.InfraError{Machine: cfg.Name, What: "cannot start QEMU", Err: err}
	}
	_ = theirs.Close()
	if m.qmp, err = qmp.New(ctx, ours); err != nil {
		return nil, m.failed("QEMU did not start", err)
	}
	if cfg.State != "" {
		if err := m.prepareState(ctx); err != nil {
			return nil, m.failed("QEMU did not take its settings", err)
		}
	}
	if cfg.Resume {
		if err := m.load(ctx); err != nil {
			return nil, m.failed("cannot load the saved state", err)
		}
	}
	return m, nil
}

// failed kills what is left of QEMU and says what it said.
func (m *Machine) failed(what string, err error) error {
	m.Kill()
	if said := m.stderr.String(); said != "" {
		err = fmt.Errorf("%w; QEMU said: %s", err, said)
	}
	return &lab.InfraError{Machine: m.cfg.Name, What: what, Err: err}
}

// Name is the machine's name.
func (m *Machine) Name() string { return m.cfg.Name }

// PID is QEMU's process id.
func (m *Machine) PID() int { return m.child.cmd.Process.Pid }

// Done is closed when QEMU has ended, for whatever reason.
func (m *Machine) Done() <-chan struct{} { return m.child.done }

// Err says how QEMU ended, after Done.
func (m *Machine) Err() error {
	select {
	case <-m.child.done:
	default:
		return nil
	}
	err := m.child.err
	if err == nil {
		err = errors.New("exit status 0")
	}
	if said := m.stderr.String(); said != "" {
		return fmt.Errorf("QEMU ended: %w: %s", err, said)
	}
	return fmt.Errorf("QEMU ended: %w", err)
}

// Reset is the reset button: nothing is flushed, nothing is told.
func (m *Machine) Reset(ctx context.Context) error { return m.execute(ctx, "system_reset") }

// Pause stops the machine's processors and with them its time.
func (m *Machine) Pause(ctx context.Context) error { return m.execute(ctx, "stop") }

// Continue lets a paused machine run.
func (m *Machine) Continue(ctx context.Context) error { return m.execute(ctx, "cont") }

func (m *Machine) execute(ctx context.Context, command string) error {
	if err := m.qmp.Execute(ctx, command, nil, nil); err != nil {
		return fmt.Errorf("machine %s: %w", m.cfg.Name, err)
	}
	return nil
}

// Quit ends QEMU in order, so that its disk file is whole; if it does not end
// by the end of ctx, it is killed and the error says so.
func (m *Machine) Quit(ctx context.Context) error {
	err := m.qmp.Execute(ctx, "quit", nil, nil)
	if err != nil && !errors.Is(err, qmp.ErrClosed) {
		m.Kill()
		return fmt.Errorf("machine %s: %w", m.cfg.Name, err)
	}
	select {
	case <-m.child.done:
		_ = m.qmp.Close()
		return nil
	case <-ctx.Done():
		m.Kill()
		return fmt.Errorf("machine %s: quit: %w", m.cfg.Name, ctx.Err())
	}
}

// Kill ends QEMU at once and waits until it is gone. Calling it again does
// nothing.
func (m *Machine) Kill() {
	m.child.kill()
	if m.qmp != nil {
		_ = m.qmp.Close()
	}
}

// rotate moves a file that is there aside.
func rotate(path string) error {
	err := os.Rename(path, path+".1")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "qmp")
	file := os.NewFile(uintptr(fds[0]), "qmp")
	defer file.Close()
	ours, err := net.FileConn(file)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	return ours, theirs, nil
}

// lastBytes keeps the end of what is written to it.
type lastBytes struct {
	mu  sync.Mutex
	buf []byte
	max int
}

// Write never fails.
func (l *lastBytes) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if over := len(l.buf) - l.max; over > 0 {
		l.buf = append(l.buf[:0], l.buf[over:]...)
	}
	return len(p), nil
}

// String is the end of what was written, on one line.
func (l *lastBytes) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(strings.Fields(string(bytes.TrimSpace(l.buf))), " ")
}
