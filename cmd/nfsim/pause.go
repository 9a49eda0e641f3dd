package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/run"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// checkPausePoint refuses a phase that --pause-at does not know.
func checkPausePoint(at string) error {
	known := scenarios.PausePoints()
	if slices.Contains(known, scenarios.PausePoint(at)) {
		return nil
	}
	names := make([]string, len(known))
	for i, p := range known {
		names[i] = string(p)
	}
	return usagef("--pause-at %q: one of %s", at, strings.Join(names, ", "))
}

// checkPaused refuses to let more than one cell stand still: a person looks at
// one thing at a time.
func checkPaused(at string, plan run.Plan) error {
	if at == "" {
		return nil
	}
	cells := 0
	for _, b := range plan.Batches {
		if b.NotApplicable == "" {
			cells += len(b.Profiles)
		}
	}
	if cells != 1 {
		return usagef("--pause-at is for one cell, and %d are selected: give one --scenario, one --profile, and no --repeat", cells)
	}
	return nil
}

// pauses lets a run stand still for a person.
type pauses struct {
	at      string
	streams streams
	look    []string // how to look, on this lab
	count   atomic.Int32
}

func newPauses(s streams, f runFlags, l lab.Lab) *pauses {
	p := &pauses{at: f.pauseAt, streams: s}
	if _, builtIn := l.(*qemu.Lab); builtIn {
		name := ""
		if l.Name() != qemu.DefaultName {
			name = " --name " + l.Name()
		}
		dir := qemu.Dir(l.StateDir())
		p.look = []string{
			fmt.Sprintf("nfsim lab ssh%s %s", name, lab.Workers(l)[0].Name),
			"ssh -F " + dir.SSHConfig() + " " + lab.ServerOf(l).Name,
			"export KUBECONFIG=" + dir.Kubeconfig(),
		}
	}
	return p
}

// pauser is what the trials are given; nil when none is to stand still.
func (p *pauses) pauser() *scenarios.Pauser {
	if p.at == "" {
		return nil
	}
	return &scenarios.Pauser{At: scenarios.PausePoint(p.at), Wait: p.wait}
}

// sayIfNone says that the phase never came.
func (p *pauses) sayIfNone(to *progress) {
	if p.at != "" && p.count.Load() == 0 {
		to.Say("the run never stood still: it had no phase %q", p.at)
	}
}

// wait tells how things stand, and returns when the person says so, or with why
// nobody can. Another process may be at the same terminal, so that there Enter
// counts and nothing else; without a terminal it is SIGCONT, which reaches a
// process that runs as well as one that was stopped.
func (p *pauses) wait(ctx context.Context, at scenarios.Pausing) error {
	p.count.Add(1)
	out := p.streams.Err
	fmt.Fprintf(out, "\npaused. Next: %s\n", at.Next)
	for _, line := range append(at.Lines, p.look...) {
		fmt.Fprintln(out, "  "+line)
	}
	if at.Before == scenarios.PauseRecovery {
		fmt.Fprintln(out, "  the fault is in effect, and lasts as long as you look")
	}
	more, how, stop := p.onward()
	defer stop()
	fmt.Fprintf(out, "%s to go on, Ctrl-C (SIGINT) to put everything back; at most %s\n", how, scenarios.LongestPause)
	began := time.Now()
	select {
	case err := <-more:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("nobody said to go on within %s", scenarios.LongestPause)
		}
		return context.Cause(ctx)
	}
	fmt.Fprintf(out, "going on after %s\n\n", time.Since(began).Round(time.Second))
	return nil
}

// onward waits for the person in the background; how is what they are to do.
func (p *pauses) onward() (more <-chan error, how string, stop func()) {
	if f, ok := p.streams.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		entered := make(chan error, 1)
		go func() {
			_, err := bufio.NewReader(f).ReadString('\n')
			if err != nil {
				err = fmt.Errorf("wait for Enter: %w", err)
			}
			entered <- err
		}()
		return entered, "Enter", func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCONT)
	continued := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			continued <- nil
		case <-done:
		}
	}()
	return continued, fmt.Sprintf("kill -CONT %d", os.Getpid()), func() {
		signal.Stop(signals)
		close(done)
	}
}
