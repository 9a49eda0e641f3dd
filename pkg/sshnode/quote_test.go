package sshnode

import (
	"os/exec"
	"strings"
	"testing"
)

func TestQuoteThroughShell(t *testing.T) {
	t.Parallel()
	words := []string{
		"", "plain", "two words", "it's", "''", `"`, `\`, `\'`, "$HOME", "`id`", "$(id)", "*", "~", "~root", "a=b", "a+=b", "--a=b", "=", "-n", "--",
		"new\nline", "tab\there", "!", "#", "&", ";", "|", ">x", "{a,b}", "[a]", "ümläut", "\xff\xfe", "if", "%s", "/a/b-c_d.e:f@g,h+i",
	}
	out, err := exec.Command("sh", "-c", "printf '%s\\0' "+Quote(words...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); strings.Join(got, "\x00") != strings.Join(words, "\x00") {
		t.Errorf("sh saw %q, want %q", got, words)
	}
}

func TestQuoteReadable(t *testing.T) {
	t.Parallel()
	if got, want := Quote("mount", "-t", "nfs4", "server:/export", "/mnt/a b"), "mount -t nfs4 server:/export '/mnt/a b'"; got != want {
		t.Errorf("Quote = %s, want %s", got, want)
	}
}

// FuzzQuote reads the quoted words back by the rules of POSIX.1-2017 Shell
// Command Language 2.2, of which Quote needs three.
func FuzzQuote(f *testing.F) {
	f.Add("it's", "")
	f.Add("a b", "\x00\n$")
	f.Fuzz(func(t *testing.T, a, b string) {
		got := split(t, Quote(a, b))
		if len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("Quote(%q, %q) = %s reads as %q", a, b, Quote(a, b), got)
		}
	})
}

// split takes a line of words apart.
func split(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
			word.WriteByte(c)
		case c == '\\':
			i++
			word.WriteByte(line[i])
		case c == ' ':
			words = append(words, word.String())
			word.Reset()
		case strings.IndexByte("|&;<>()$`\"*?[#~\t\n{}!", c) >= 0:
			t.Fatalf("special character %q outside quotes: %s", c, line)
		default:
			word.WriteByte(c)
		}
	}
	if quoted {
		t.Fatalf("open quote: %s", line)
	}
	return append(words, word.String())
}
