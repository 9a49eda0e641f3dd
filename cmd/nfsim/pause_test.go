package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/scenarios"
)

// signalOnPrompt sends SIGCONT to this process when it is told that it may.
type signalOnPrompt struct{ bytes.Buffer }

func (w *signalOnPrompt) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if bytes.Contains(p, []byte("to go on")) {
		err = errors.Join(err, syscall.Kill(os.Getpid(), syscall.SIGCONT))
	}
	return n, err
}

// TestPauseGoesOn is not parallel: the signal is the whole process's.
func TestPauseGoesOn(t *testing.T) {
	out := &signalOnPrompt{}
	p := &pauses{at: "recovery", streams: streams{In: strings.NewReader(""), Err: out}, look: []string{"ssh worker1"}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := p.pauser().Wait(ctx, scenarios.Pausing{Before: scenarios.PauseRecovery, Next: "fault x is undone", Lines: []string{"mount: /mnt/x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"paused. Next: fault x is undone", "mount: /mnt/x", "ssh worker1", "the fault is in effect", fmt.Sprintf("kill -CONT %d", os.Getpid()), "going on"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("interrupted")
	p := &pauses{at: "fault", streams: streams{In: strings.NewReader(""), Err: &bytes.Buffer{}}}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if err := p.wait(ctx, scenarios.Pausing{}); !errors.Is(err, interrupted) {
		t.Errorf("interrupted: %v", err)
	}
	late, cancelLate := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancelLate()
	if err := p.wait(late, scenarios.Pausing{}); err == nil || !strings.Contains(err.Error(), "nobody said to go on") {
		t.Errorf("out of time: %v", err)
	}
	if (&pauses{}).pauser() != nil {
		t.Error("a run without --pause-at has a pauser")
	}
}
