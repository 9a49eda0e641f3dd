package sshtest

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// session is one channel that a command or the SFTP server runs in.
type session struct {
	conn  *connection
	ch    ssh.Channel
	end   sync.Once
	ended chan struct{} // closed when the client has killed or left the session
}

// input is what a Handler gets as stdin.
type input struct {
	io.Reader
	ended <-chan struct{}
}

// Done is closed when the client kills the command or is gone.
func (i *input) Done() <-chan struct{} { return i.ended }

// serve answers the client's requests until the channel is closed.
func (s *session) serve(reqs <-chan *ssh.Request) {
	var wg sync.WaitGroup
	defer wg.Wait()
	leave := func() { s.end.Do(func() { close(s.ended) }) }
	defer leave()
	started := false
	for req := range reqs {
		var job func() int
		switch req.Type {
		case "exec":
			var m struct{ Command string }
			if ssh.Unmarshal(req.Payload, &m) == nil {
				job = func() int { return s.exec(m.Command) }
			}
		case "subsystem":
			var m struct{ Name string }
			if ssh.Unmarshal(req.Payload, &m) == nil && m.Name == "sftp" {
				job = s.sftp
			}
		case "signal":
			leave()
		}
		ok := job != nil && !started
		if req.WantReply {
			_ = req.Reply(ok, nil)
		}
		if ok {
			started = true
			wg.Go(func() { s.finish(job()) })
		}
	}
}

// exec runs a command line.
func (s *session) exec(cmd string) int {
	srv := s.conn.server
	srv.mu.Lock()
	srv.commands = append(srv.commands, cmd)
	srv.mu.Unlock()
	if quoted, ok := strings.CutPrefix(cmd, "sudo -n -- /bin/sh -c "); ok {
		if srv.opts.SudoDenied {
			fmt.Fprintln(s.ch.Stderr(), "sudo: a password is required")
			return 1
		}
		cmd = unquote(quoted)
		if strings.Contains(cmd, "/sftp-server") {
			return s.sftp()
		}
	}
	return srv.opts.Handler(cmd, &input{s.ch, s.ended}, s.ch, s.ch.Stderr())
}

// finish reports how the command ended and closes the channel.
func (s *session) finish(code int) {
	// The client may be gone; there is nobody to tell then.
	switch {
	case code == NoStatus:
	case code < 0:
		_, _ = s.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Message    string
			Lang       string
		}{Signal: signalName(syscall.Signal(-code))}))
	default:
		_, _ = s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
	}
	s.ch.Close()
}

// signalName returns the name that RFC 4254, 6.10 gives a signal.
func signalName(sig syscall.Signal) string {
	switch sig {
	case syscall.SIGABRT:
		return "ABRT"
	case syscall.SIGHUP:
		return "HUP"
	case syscall.SIGINT:
		return "INT"
	case syscall.SIGQUIT:
		return "QUIT"
	case syscall.SIGSEGV:
		return "SEGV"
	case syscall.SIGTERM:
		return "TERM"
	default:
		return "KILL"
	}
}

// unquote undoes sshnode.Quote for one word.
func unquote(s string) string {
	if !strings.HasPrefix(s, "'") {
		return s
	}
	return strings.ReplaceAll(strings.TrimSuffix(s[1:], "'"), `'\''`, "'")
}
