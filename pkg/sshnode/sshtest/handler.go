package sshtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"syscall"
	"time"
)

// Handler runs one command line and returns its exit status: 0 to 255, minus
// the signal's number for a command that a signal ended, or NoStatus. It is
// called by many goroutines. It must return when its writers fail or the
// channel Done(stdin) is closed.
type Handler func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int

// NoStatus ends a session without telling how the command ended.
const NoStatus = math.MinInt

// Done returns a channel that is closed when the client has killed the command
// or gone away. Stdin is the one that the Handler was given.
func Done(stdin io.Reader) <-chan struct{} {
	if d, ok := stdin.(interface{ Done() <-chan struct{} }); ok {
		return d.Done()
	}
	return nil
}

// Shell returns a handler that runs commands in this machine's sh, each in a
// process group that is killed when the client kills the command or leaves.
func Shell() Handler {
	return func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		c := exec.Command("sh", "-c", cmd) //nolint:noctx // ends with its process group, below
		c.Stdout, c.Stderr = stdout, stderr
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		c.WaitDelay = 5 * time.Second
		in, err := c.StdinPipe()
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 126
		}
		if err := c.Start(); err != nil {
			fmt.Fprintln(stderr, err)
			return 126
		}
		go func() {
			_, _ = io.Copy(in, stdin)
			in.Close()
		}()
		over := make(chan struct{})
		defer close(over)
		go func() {
			select {
			case <-Done(stdin):
				_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			case <-over:
			}
		}()
		err = c.Wait()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return 0
		case !errors.As(err, &exit):
			return NoStatus // its output could not be delivered
		}
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return -int(ws.Signal())
		}
		return exit.ExitCode()
	}
}

// Flood returns a handler that writes n bytes of digits to standard output,
// whatever the command.
func Flood(n int64) Handler {
	return func(_ string, _ io.Reader, stdout, _ io.Writer) int {
		block := bytes.Repeat([]byte("0123456789"), 3200)
		for n := n; n > 0; {
			c, err := stdout.Write(block[:min(n, int64(len(block)))])
			n -= int64(c)
			if err != nil {
				return NoStatus
			}
		}
		return 0
	}
}

// Hang is a handler whose commands do not end until they are killed.
func Hang(_ string, stdin io.Reader, _, _ io.Writer) int {
	<-Done(stdin)
	return -int(syscall.SIGKILL)
}
