package shell

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

func FuzzQuote(f *testing.F) {
	f.Add("it's", "")
	f.Add("a b", "\x00\n$")
	f.Fuzz(func(t *testing.T, a, b string) {
		line := Quote(a, b)
		if got, ok := Split(line); !ok || len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("Quote(%q, %q) = %s reads as %q, %v", a, b, line, got, ok)
		}
		bare := true // outside single quotes
		for i, c := range []byte(line) {
			if c == '\'' && (i == 0 || line[i-1] != '\\' || !bare) {
				bare = !bare
			} else if bare && strings.IndexByte("|&;<>()$`\"*?[#~\t\n{}!", c) >= 0 {
				t.Fatalf("special character %q outside quotes: %s", c, line)
			}
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("a 'b c'  \\'")
	f.Add("'open")
	f.Fuzz(func(t *testing.T, line string) {
		words, ok := Split(line)
		if !ok {
			return
		}
		if again, ok := Split(Quote(words...)); !ok || strings.Join(again, "\x00") != strings.Join(words, "\x00") {
			t.Errorf("%q reads as %q, and that as %q", line, words, again)
		}
	})
}
