package shell

import (
	"slices"
	"strings"
)

// Quote returns args as words for a POSIX shell: each comes out of the shell
// as it went in.
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

// Split takes a line of Quote's making apart again. It knows words, blanks,
// single quotes and backslashes; ok is false if a quote is left open.
func Split(line string) (words []string, ok bool) {
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\'':
			quoted, inWord = !quoted, true
		case quoted:
			word.WriteByte(c)
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case c == ' ':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, !quoted
}
