package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

func newLabSSHCommand(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "ssh MACHINE [COMMAND...]",
		Short: "run a command on a machine, or a shell",
		Long: `Runs as root. Without a command, or when standard input and output are terminals, the
machine gives a terminal. The exit code is the command's; 2 when the machine
could not be reached.`,
		Example: `  nfsim lab ssh worker1
  nfsim lab ssh worker1 -- systemctl status kubelet
  nfsim lab ssh server 'exportfs -v | sort'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := qemu.Attach(cmd.Context(), name)
			if err != nil {
				return err
			}
			defer l.Close()
			cfg, err := l.SSHClient(args[0])
			if err != nil {
				return err
			}
			return labSSH(s, args[0], cfg, remoteCommand(args[1:]))
		},
	}
	cmd.Flags().SetInterspersed(false)
	labNameFlag(cmd, &name)
	return cmd
}

// remoteCommand is what follows the machine's name. The flags end before that
// name, so that a "--" behind it is left for us to drop.
func remoteCommand(words []string) string {
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// labSSH runs one session. It does its own SSH because a person at a terminal
// needs one (package sshnode has no terminals), and OpenSSH may be missing.
func labSSH(s streams, machine string, to qemu.SSHTarget, command string) error {
	failed := func(what string, err error) error {
		return &lab.InfraError{Machine: machine, What: what, Err: err}
	}
	client, err := ssh.Dial("tcp", to.Addr, &to.Config)
	if err != nil {
		return failed("does not answer on SSH", err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return failed("gives no session", err)
	}
	defer session.Close()
	session.Stdout, session.Stderr = s.Out, s.Err
	// Not session.Stdin: Wait would wait for our standard input to end.
	stdin, err := session.StdinPipe()
	if err != nil {
		return failed("gives no session", err)
	}
	restore, err := labTerminal(s, session)
	if err != nil {
		return failed("gives no terminal", err)
	}
	defer restore()
	if command == "" {
		err = session.Shell()
	} else {
		err = session.Start(command)
	}
	if err != nil {
		return failed("does not start the command", err)
	}
	go func() {
		_, _ = io.Copy(stdin, s.In)
		_ = stdin.Close()
	}()
	err = session.Wait()
	restore()
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		status := exit.ExitStatus()
		if exit.Signal() != "" {
			fmt.Fprintf(s.Err, "nfsim: the command was ended by signal %s\n", exit.Signal())
		}
		return &exitError{code: status}
	}
	if err != nil {
		return failed("broke the connection", err)
	}
	return nil
}

// labTerminal asks for a terminal when ours is one, puts ours into raw mode and
// passes on its size. restore can be called twice.
func labTerminal(s streams, session *ssh.Session) (restore func(), err error) {
	in, isFile := s.In.(*os.File)
	out, outIsFile := s.Out.(*os.File)
	if !isFile || !outIsFile || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return func() {}, nil
	}
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	name := os.Getenv("TERM")
	if name == "" {
		name = "xterm"
	}
	if err := session.RequestPty(name, height, width, ssh.TerminalModes{}); err != nil {
		return nil, err
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	go func() {
		for range resized {
			if w, h, err := term.GetSize(int(out.Fd())); err == nil {
				_ = session.WindowChange(h, w)
			}
		}
	}()
	done := false
	return func() {
		if done {
			return
		}
		done = true
		signal.Stop(resized)
		close(resized)
		_ = term.Restore(int(in.Fd()), old)
	}, nil
}
