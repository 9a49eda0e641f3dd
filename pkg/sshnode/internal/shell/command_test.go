package shell

import (
	"bytes"
	"os/exec"
	"regexp"
	"testing"
)

func FuzzCommand(f *testing.F) {
	f.Add("echo 'it''s'; exit 3", true)
	f.Add("", false)
	f.Fuzz(func(t *testing.T, line string, sudo bool) {
		want := Command{Line: line, Sudo: sudo}
		if got, ok := ParseCommand(want.String()); !ok || got != want {
			t.Errorf("%+v reads as %+v, %v", want, got, ok)
		}
		if _, ok := ParseKill(want.String()); ok {
			t.Errorf("%+v reads as a kill", want)
		}
	})
}

func TestKill(t *testing.T) {
	t.Parallel()
	for _, want := range []Kill{{Group: 1234}, {Group: 1, Sudo: true}} {
		if got, ok := ParseKill(want.String()); !ok || got != want {
			t.Errorf("%+v reads as %+v, %v", want, got, ok)
		}
	}
	for _, bad := range []string{"", "kill -KILL -- -1", "/bin/sh -c 'kill -KILL -- -x'", "/bin/sh -c 'kill -KILL -- -1; reboot'", "'"} {
		if got, ok := ParseKill(bad); ok {
			t.Errorf("%q reads as %+v", bad, got)
		}
	}
}

func TestCommandThroughShell(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	c := exec.Command("sh", "-c", Command{Line: "echo \"it's\" '$1'\necho two >&2; exit 7"}.String())
	c.Stderr = &stderr
	out, err := c.Output()
	if err == nil || c.ProcessState.ExitCode() != 7 || string(out) != "it's $1\n" {
		t.Errorf("output %q, %v", out, err)
	}
	if want := regexp.MustCompile(`^` + GroupMark + `[1-9][0-9]*\ntwo\n$`); !want.MatchString(stderr.String()) {
		t.Errorf("standard error %q, want the process group and two", stderr.String())
	}
}
