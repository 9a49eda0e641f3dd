package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/executor"
	"golang.org/x/sys/unix"
)

// dialTimeout bounds how long a socket that is there may take to accept.
const dialTimeout = 5 * time.Second

// listen serves sessions on a socket until SIGTERM.
func listen(args []string, stderr io.Writer) error {
	flags := newFlags("listen")
	autostart := flags.String("autostart", "", "JSON lines `file` of requests to do at the start")
	delay := flags.Duration("term-delay", 0, "how long to go on after SIGTERM")
	ignore := flags.Bool("ignore-term", false, "go on after SIGTERM until killed")
	operands, err := parse(flags, args, "SOCKET")
	if err != nil {
		return err
	}
	socket, err := filepath.Abs(operands[0])
	if err != nil {
		return fmt.Errorf("find socket: %w", err)
	}

	// Signals are caught before anything runs: PID 1 has no default for them.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(term)
	defer reap()()

	a := executor.New(executor.Options{Exit: os.Exit})
	defer a.StopAll()
	requests, err := openAutostart(*autostart)
	if err != nil {
		return err
	}
	defer requests.Close()
	listener, err := bind(socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := settle(); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		if err := a.Autostart(requests); err != nil {
			failed <- err
		}
	}()
	go func() { failed <- accept(ctx, listener, a, stderr) }()
	for {
		select {
		case err := <-failed:
			return err
		case <-term:
			if *ignore {
				fmt.Fprintln(stderr, "nfsim-agent: SIGTERM ignored")
				continue
			}
			return lastWords(*delay, failed)
		}
	}
}

// lastWords goes on for a while.
func lastWords(delay time.Duration, failed <-chan error) error {
	end := time.NewTimer(delay)
	defer end.Stop()
	select {
	case <-end.C:
		return nil
	case err := <-failed:
		return err
	}
}

func openAutostart(path string) (io.ReadCloser, error) {
	if path == "" {
		return io.NopCloser(strings.NewReader("")), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open autostart file: %w", err)
	}
	return f, nil
}

// bind listens on the socket, mode 0600, in place of one that nobody answers
// at any more.
func bind(socket string) (net.Listener, error) {
	info, err := os.Lstat(socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look at socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("listen on %s: there is something else than a socket", socket)
	default:
		if conn, err := net.DialTimeout("unix", socket, dialTimeout); err == nil { //nolint:noctx // has a deadline
			_ = conn.Close()
			return nil, fmt.Errorf("listen on %s: another agent answers there", socket)
		}
		if err := os.Remove(socket); err != nil {
			return nil, fmt.Errorf("remove old socket: %w", err)
		}
	}
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	l, err := net.Listen("unix", socket) //nolint:noctx // binds a path: nothing to wait for
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// accept serves each connection until the listener is closed.
func accept(ctx context.Context, l net.Listener, a *executor.Agent, stderr io.Writer) error {
	var out sync.Mutex
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept session: %w", err)
		}
		go func() {
			defer conn.Close()
			if err := a.Serve(ctx, conn, conn); err != nil {
				out.Lock()
				defer out.Unlock()
				fmt.Fprintln(stderr, "nfsim-agent: session:", err)
			}
		}()
	}
}
