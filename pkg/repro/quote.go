package repro

import (
	"regexp"
	"strings"
	"unicode"
)

// clean makes a text fit for a comment: one line, nothing that moves a cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// plain needs no quotes in a shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// single quotes a text so that the shell takes it as it is.
func single(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return quote(s)
}

// quote is single for a text that stands in a script of its own.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// bare makes a name of a text that stands where no quotes can.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r == '-' || r == '/' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// word is a recorded text as one word of the script, with variables for what is
// another thing there.
func (w *writer) word(s string) string {
	text, has := w.expand(s)
	if !has {
		return single(s)
	}
	return `"` + text + `"`
}

// expand makes a text fit to stand between double quotes, or in a here-document
// without quotes, with variables in it. has is false when there is none.
func (w *writer) expand(s string) (text string, has bool) {
	var out strings.Builder
	for len(s) > 0 {
		at, v := w.first(s)
		if v == nil {
			out.WriteString(escape(s))
			break
		}
		out.WriteString(escape(s[:at]) + "${" + v.name + "}")
		s, has = s[at+len(v.text):], true
	}
	return out.String(), has
}

// first is where the first text of a variable stands; the longest of those that
// begin there.
func (w *writer) first(s string) (int, *variable) {
	best, found := len(s), (*variable)(nil)
	for i := range w.vars {
		v := &w.vars[i]
		for from := 0; ; {
			at := strings.Index(s[from:], v.text)
			if at < 0 {
				break
			}
			at += from
			if !v.word || alone(s, at, at+len(v.text)) {
				if at < best {
					best, found = at, v
				}
				break
			}
			from = at + 1
		}
	}
	return best, found
}

// alone says whether s[from:to] is no part of a longer name or number.
func alone(s string, from, to int) bool {
	within := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_'
	}
	return (from == 0 || !within(s[from-1]) && s[from-1] != '.') && (to == len(s) || !within(s[to]))
}

// escape hides from the shell what double quotes leave to it.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(s)
}

// script is a recorded shell script as one word.
func (w *writer) script(s string) string {
	s = strings.TrimRight(s, "\n")
	text, has := w.expand(s)
	if has || strings.Contains(s, "'") && text == s {
		return `"` + text + `"`
	}
	return quote(s)
}
