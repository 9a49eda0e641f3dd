package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/lock"
)

// Options are how to start a lab, as opposed to what lab.
type Options struct {
	// Tether ends the lab with this process, however that ends.
	Tether bool
	// Logf is told each step. Nil discards it.
	Logf func(format string, args ...any)
	// Executable is the nfsim to run as keeper; empty is this process's own.
	Executable string
}

// KeeperArgs are the arguments that make nfsim a keeper.
func KeeperArgs(name string) []string { return []string{"lab", "keeper", "--name", name} }

// Event is one line that a keeper writes to the process that starts it, on
// descriptor 3, as JSON: a step, or how it ended.
type Event struct {
	Line    string   `json:"line,omitempty"`
	Ready   bool     `json:"ready,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// maxEvent bounds one Event's line, in bytes.
const maxEvent = 1 << 20

// stopGrace is how long a keeper that is told to stop may take.
const stopGrace = 30 * time.Second

// Start starts a keeper and waits until its lab is ready. When it fails, or ctx
// ends, nothing is left running; the state directory keeps the logs. A lab
// that is up already is an *UpError.
func Start(ctx context.Context, spec Spec, opts Options) (*Lab, error) {
	spec = spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	dir, err := DirOf(spec.Name)
	if err != nil {
		return nil, err
	}
	if err := dir.Make(); err != nil {
		return nil, err
	}
	if err := checkNotUp(dir, spec.Name); err != nil {
		return nil, err
	}
	k, err := startKeeper(dir, spec, opts)
	if err != nil {
		return nil, err
	}
	l, err := k.awaitReady(ctx, dir, opts)
	if err != nil {
		k.stop()
		return nil, err
	}
	return l, nil
}

// checkNotUp is a first look, for a good error; the keeper's lock decides.
func checkNotUp(dir Dir, name string) error {
	held, is, err := lock.Holder(dir.Lock())
	if err != nil || !is {
		return err
	}
	s, err := dir.ReadStatus()
	if err == nil && s.Phase == Ready {
		return &UpError{Name: name, KeeperPID: held.PID}
	}
	return &lab.BusyError{Name: name, PID: held.PID, Who: held.Who}
}

// keeperProcess is a keeper as its starter sees it.
type keeperProcess struct {
	cmd    *exec.Cmd
	tether *os.File // its standard input: the spec, then nothing; it ends when we do
	events *os.File
	done   chan struct{}
}

func startKeeper(dir Dir, spec Spec, opts Options) (*keeperProcess, error) {
	exe := opts.Executable
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("start keeper: %w", err)
		}
	}
	log, err := os.OpenFile(dir.KeeperLog(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	defer log.Close()
	stdin, tether, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	defer stdin.Close()
	events, out, err := os.Pipe()
	if err != nil {
		_ = tether.Close()
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(exe, KeeperArgs(spec.Name)...) //nolint:noctx // outlives this call; ends with its tether
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, log, log
	cmd.ExtraFiles = []*os.File{out}
	cmd.Dir = "/"
	// A session of its own: the terminal's signals are for us, who then tell
	// the keeper through its tether.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = tether.Close()
		_ = events.Close()
		return nil, &lab.InfraError{What: "cannot start the lab's keeper", Err: err}
	}
	k := &keeperProcess{cmd: cmd, tether: tether, events: events, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(k.done)
	}()
	if err := json.NewEncoder(tether).Encode(spec); err != nil {
		k.stop()
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	return k, nil
}

// awaitReady passes the keeper's steps on until it says how it ended.
func (k *keeperProcess) awaitReady(ctx context.Context, dir Dir, opts Options) (*Lab, error) {
	stop := context.AfterFunc(ctx, func() { _ = k.events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	lines := bufio.NewScanner(k.events)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, &lab.InfraError{What: "the lab's keeper speaks nonsense", Err: err}
		}
		switch {
		case e.Failure != nil:
			return nil, e.Failure.Err()
		case e.Ready:
			return k.attach(ctx, dir, opts)
		case opts.Logf != nil:
			opts.Logf("%s", e.Line)
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("start lab: %w", ctx.Err())
	}
	return nil, &lab.InfraError{
		What: "the lab's keeper ended without a word; the end of its log:\n" + TailLines(dir.KeeperLog(), 20),
		Err:  lines.Err(),
	}
}

func (k *keeperProcess) attach(ctx context.Context, dir Dir, opts Options) (*Lab, error) {
	s, err := dir.ReadStatus()
	if err != nil {
		return nil, err
	}
	l, err := newLab(dir, s)
	if err != nil {
		return nil, err
	}
	if !opts.Tether {
		if err := l.Release(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		_ = k.tether.Close()
	} else {
		// The garbage collector would close it, and the lab with it.
		l.tether = k.tether
	}
	_ = k.events.Close()
	return l, nil
}

// stop ends the keeper and waits for it: by its tether, and if that takes too
// long for good; its machines end with it in either case.
func (k *keeperProcess) stop() {
	_ = k.tether.Close()
	_ = k.events.Close()
	select {
	case <-k.done:
	case <-time.After(stopGrace):
		_ = k.cmd.Process.Kill()
		<-k.done
	}
}
