package qemu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTailLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "console.log")
	if got := TailLines(path, 3); got != "" {
		t.Errorf("missing file: %q", got)
	}
	text := strings.Repeat("old line\r\n", 5000) + "\x1b[31mred\x1b[0m\r\ntwo\r\nthree\r\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := TailLines(path, 3), ".[31mred.[0m\ntwo\nthree"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if b, err := Tail(path, 7); err != nil || string(b) != "three\r\n" {
		t.Errorf("%q, %v", b, err)
	}
}
