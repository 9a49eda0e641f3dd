package shell

import (
	"bytes"
	"errors"
	"os/exec"
	"regexp"
	"syscall"
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
	for _, bad := range []string{"", "kill -s KILL -- -1", "/bin/sh -c 'kill -s KILL -- -x'", "/bin/sh -c 'kill -s KILL -- -1; reboot'", "'"} {
		if got, ok := ParseKill(bad); ok {
			t.Errorf("%q reads as %+v", bad, got)
		}
	}
}

// Shells differ in how they take the group's minus sign.
func TestKillThroughShell(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), "sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", Kill{Group: c.Process.Pid}.String()).CombinedOutput(); err != nil {
		t.Errorf("kill: %v: %s", err, out)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("process ended with %v, want SIGKILL", err)
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
