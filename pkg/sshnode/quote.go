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
	if s != "" && strings.IndexFunc(s, needsQuote) < 0 && !slices.Contains(reservedWords(), s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// needsQuote tells whether r may mean something to a shell, the = of an
// assignment before a command included.
func needsQuote(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("_@%+:,./-", r)
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
