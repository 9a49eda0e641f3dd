package sshnode

import (
	"slices"
	"strings"
)

// Quote returns args as words for a POSIX shell: each comes out of the shell
// as it went in. It cannot carry the NUL byte, which no argument of a process
// can hold either.
//
//	n.Run(ctx, sshnode.Quote("stat", "-c", "%s", path))
func Quote(args ...string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = quoteWord(a)
	}
	return strings.Join(words, " ")
}

func quoteWord(s string) string {
	if s != "" && strings.IndexFunc(s, isSpecial) < 0 && !isAssignment(s) && !slices.Contains(reservedWords(), s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// isSpecial tells whether r may mean something to a shell inside a word.
func isSpecial(r rune) bool { return !isNameRune(r) && !strings.ContainsRune("@%+:,./=-", r) }

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// isAssignment tells whether s would set a variable at the start of a command.
func isAssignment(s string) bool {
	name, _, ok := strings.Cut(s, "=")
	return ok && strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) && r != '+' }) < 0
}

// reservedWords lists the words of letters that start or end a compound
// command, POSIX.1-2017 Shell Command Language 2.4.
func reservedWords() []string {
	return []string{
		"if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in",
		"function", "select", "time", "coproc",
	}
}

// asRoot returns a command line that runs cmd through sudo, which fails
// rather than asks for a password.
func asRoot(cmd string) string { return "sudo -n -- /bin/sh -c " + Quote(cmd) }
