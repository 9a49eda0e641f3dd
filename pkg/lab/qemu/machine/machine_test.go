package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestStartOfABrokenQEMUSaysWhatItSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fake := filepath.Join(dir, "qemu")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho 'qemu: -accel kvm: no such thing' >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cable, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Name: "worker1", QEMU: fake, Console: filepath.Join(dir, "console.log")}, cable)
	var infra *lab.InfraError
	if !errors.As(err, &infra) || infra.Machine != "worker1" || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("error = %v", err)
	}
	if cable.Close() == nil {
		t.Error("the cable was left open")
	}
}

func TestStartRotatesTheConsole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "console.log")
	if err := rotate(path); err != nil {
		t.Errorf("nothing to rotate: %v", err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rotate(path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path + ".1"); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestLastBytes(t *testing.T) {
	t.Parallel()
	l := &lastBytes{max: 8}
	for _, s := range []string{"abc\n", "defg", "hij"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := l.String(); got != "defghij" {
		t.Errorf("%q", got)
	}
}
