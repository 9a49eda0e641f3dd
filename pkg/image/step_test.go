package image

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRunStep(t *testing.T) {
	t.Parallel()
	var lines []string
	cmd := newCommand(t.Context(), t.TempDir(), "sh", "-c", `printf 'I: one...\nrest' >&2; exit 3`)
	err := runStep(t.Context(), "install the packages", cmd, &lineWriter{line: func(s string) { lines = append(lines, s) }})
	var step *StepError
	var exit *exec.ExitError
	if !errors.As(err, &step) || !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("runStep() = %v, want a StepError with exit status 3", err)
	}
	if got, want := err.Error(), "install the packages: exit status 3\nI: one...\nrest"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"I: one..."}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestRunStepTellsWhyItStopped(t *testing.T) {
	t.Parallel()
	why := errors.New("took too long")
	ctx, cancel := context.WithCancelCause(t.Context())
	cmd := newCommand(ctx, t.TempDir(), "sh", "-c", `trap 'echo cleaned up >&2; exit 1' INT; echo ready; while :; do sleep 0.05; done`)
	ready := make(chan struct{})
	cmd.Stdout = &lineWriter{line: func(string) { close(ready) }}
	go func() {
		select {
		case <-ready:
		case <-time.After(time.Minute):
		}
		cancel(why)
	}()
	err := runStep(ctx, "make the disk", cmd, nil)
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "cleaned up") {
		t.Errorf("runStep() = %v, want the cause, and the step given time to clean up", err)
	}
}

func TestTailWriter(t *testing.T) {
	t.Parallel()
	w := &tailWriter{max: 4}
	for _, s := range []string{"ab", "cd", "e", "fghijk", ""} {
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.String(); got != "hijk" {
		t.Errorf("tail is %q, want %q", got, "hijk")
	}
}
