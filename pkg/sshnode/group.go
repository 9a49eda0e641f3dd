package sshnode

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/sshnode/internal/shell"
)

const (
	maxPreamble = 4 << 10          // bytes of standard error in which the process group is looked for
	killTimeout = 10 * time.Second // for the process group to be known, and again for its killing
)

// groupFilter takes the line with a command's process group out of its standard
// error and passes on the rest. What comes before that line is sudo's or the
// login shell's.
type groupFilter struct {
	dst   io.Writer
	known chan int // gets the process group, if it is ever told

	mu   sync.Mutex
	head []byte // what may still hold the line
	done bool
}

func newGroupFilter(dst io.Writer) *groupFilter {
	return &groupFilter{dst: dst, known: make(chan int, 1)}
}

func (f *groupFilter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return f.dst.Write(p)
	}
	f.head = append(f.head, p...)
	if before, rest, found := bytes.Cut(f.head, []byte(shell.GroupMark)); found {
		if number, after, complete := bytes.Cut(rest, []byte("\n")); complete {
			if group, err := strconv.ParseUint(string(number), 10, 31); err == nil && group > 1 {
				f.known <- int(group)
			}
			f.head = append(append([]byte(nil), before...), after...)
			return len(p), f.flushLocked()
		}
	}
	if len(f.head) > maxPreamble {
		return len(p), f.flushLocked()
	}
	return len(p), nil
}

// flush passes on what was held back.
func (f *groupFilter) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	// The destinations are tails, which never fail.
	_ = f.flushLocked()
}

func (f *groupFilter) flushLocked() error {
	f.done = true
	_, err := f.dst.Write(f.head)
	f.head = nil
	return err
}

// abandon kills what runs in s and closes s, without waiting: on a dead
// connection, or with a process asleep in the kernel, both would hang. Nothing
// more can be done about what fails here.
func (n *Node) abandon(s *ssh.Session, group <-chan int) {
	go func() {
		defer s.Close()
		timer := time.NewTimer(killTimeout)
		defer timer.Stop()
		select {
		case g := <-group:
			n.killGroup(g)
		case <-timer.C:
		case <-n.closed:
		}
	}()
}

// killGroup kills a process group from a session of its own.
func (n *Node) killGroup(group int) {
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	const op = "kill a process group"
	s, err := n.session(ctx, op)
	if err != nil {
		return
	}
	_, _ = await(ctx, n, op, func() (struct{}, error) {
		defer s.Close()
		return struct{}{}, s.Run(shell.Kill{Group: group, Sudo: n.cfg.Sudo}.String())
	}, nil)
}
