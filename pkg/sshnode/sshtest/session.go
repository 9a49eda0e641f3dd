package sshtest

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/sshnode/internal/shell"
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
	defer s.leave()
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
func (s *session) exec(line string) int {
	srv := s.conn.server
	if kill, ok := shell.ParseKill(line); ok {
		srv.kill(kill.Group)
		return 0
	}
	cmd, ok := shell.ParseCommand(line)
	if !ok { // somebody else's client
		cmd.Line = line
	}
	group := srv.enter(s, cmd)
	defer srv.leave(group)
	if cmd.Sudo && srv.opts.SudoDenied {
		fmt.Fprintln(s.ch.Stderr(), "sudo: a password is required")
		return 1
	}
	if ok {
		fmt.Fprintf(s.ch.Stderr(), "%s%d\n", shell.GroupMark, group)
	}
	if strings.Contains(cmd.Line, "/sftp-server") {
		if srv.opts.OnlySubsystem {
			return 127
		}
		return s.sftp()
	}
	return srv.opts.Handler(cmd.Line, &input{s.ch, s.ended}, s.ch, s.ch.Stderr())
}

// leave tells the command that its client has killed it or is gone.
func (s *session) leave() { s.end.Do(func() { close(s.ended) }) }

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
