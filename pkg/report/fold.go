package report

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the most runes of one text that a report for a person shows; the
// run directory has the rest.
const maxText = 2000

// clean replaces what could move the cursor or hide text, and cuts what is too
// long: a run directory is untrusted.
func clean(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxText {
			s = s[:i] + "..."
			break
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}

// fold breaks s into lines of at most width runes, after one of the runes in
// at where it can. A space at a break is dropped.
func fold(s string, width int, at string) string {
	var lines []string
	rest := []rune(s)
	for len(rest) > width && width > 0 {
		cut := width
		for i := width; i > 0; i-- {
			if strings.ContainsRune(at, rest[i-1]) || i < len(rest) && rest[i] == ' ' {
				cut = i
				break
			}
		}
		lines = append(lines, strings.TrimRight(string(rest[:cut]), " "))
		for rest = rest[cut:]; len(rest) > 0 && rest[0] == ' '; {
			rest = rest[1:]
		}
	}
	return strings.Join(append(lines, string(rest)), "\n")
}

// writeFolded writes s, indented, at most width runes a line; lines after the
// first are indented by two more.
func writeFolded(b *bytes.Buffer, indent, s string, width int) {
	room := max(width-utf8.RuneCountInString(indent)-2, 20)
	for i, l := range strings.Split(fold(s, room, " "), "\n") {
		b.WriteString(indent)
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(l)
		b.WriteByte('\n')
	}
}
