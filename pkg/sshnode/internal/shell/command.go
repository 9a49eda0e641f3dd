// Package shell is the shell language that sshnode speaks to a node and that
// sshtest understands: quoted words, and the wrapping of a command.
//
//	line := shell.Command{Line: "uname -r", Sudo: true}.String()
package shell

import (
	"fmt"
	"strconv"
	"strings"
)

// GroupMark begins the line on standard error by which a wrapped command tells
// its process group before anything else of its own.
const GroupMark = "nfsim-process-group "

// wrapper runs its first argument as a script. Field 5 of /proc/PID/stat is the
// process group, proc(5); the reading of it starts no process.
const wrapper = `read -r _ _ _ _ g _ </proc/self/stat; echo "` + GroupMark + `$g" >&2; eval "$1"`

// Command is a script for /bin/sh on a node.
//
// It is wrapped so that it can be killed: OpenSSH refuses the SSH protocol's
// signals in sessions of root and of subsystems, and a command whose session is
// closed goes on running and keeps its place among MaxSessions. Its process
// group, once known, can be killed from another session.
type Command struct {
	Line string
	Sudo bool // as root through sudo, which fails rather than asks for a password
}

// String is the command line to send.
func (c Command) String() string {
	words := []string{"/bin/sh", "-c", wrapper, "sh", c.Line}
	if c.Sudo {
		words = append([]string{"sudo", "-n", "--"}, words...)
	}
	return Quote(words...)
}

// ParseCommand undoes Command.String.
func ParseCommand(s string) (Command, bool) {
	words, ok := Split(s)
	if !ok {
		return Command{}, false
	}
	words, sudo := cutSudo(words)
	if len(words) != 5 || words[0] != "/bin/sh" || words[1] != "-c" || words[2] != wrapper {
		return Command{}, false
	}
	return Command{Line: words[4], Sudo: sudo}, true
}

// Kill is the end of a process group.
type Kill struct {
	Group int
	Sudo  bool
}

// String is the command line to send.
func (k Kill) String() string {
	words := []string{"/bin/sh", "-c", fmt.Sprintf("kill -s KILL -- -%d", k.Group)}
	if k.Sudo {
		words = append([]string{"sudo", "-n", "--"}, words...)
	}
	return Quote(words...)
}

// ParseKill undoes Kill.String.
func ParseKill(s string) (Kill, bool) {
	words, ok := Split(s)
	if !ok {
		return Kill{}, false
	}
	words, sudo := cutSudo(words)
	if len(words) != 3 {
		return Kill{}, false
	}
	digits, ok := strings.CutPrefix(words[2], "kill -s KILL -- -")
	group, err := strconv.ParseUint(digits, 10, 31)
	return Kill{Group: int(group), Sudo: sudo}, ok && err == nil && words[0] == "/bin/sh" && words[1] == "-c"
}

func cutSudo(words []string) (rest []string, sudo bool) {
	if len(words) > 3 && words[0] == "sudo" && words[1] == "-n" && words[2] == "--" {
		return words[3:], true
	}
	return words, false
}
