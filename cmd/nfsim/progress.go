package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	goprogress "github.com/jedib0t/go-pretty/v6/progress"
	"github.com/mattn/go-isatty"

	"github.com/nfsim/nfsim/pkg/run"
)

// progress shows a run on standard error: a live line for each batch on a
// terminal, plain lines elsewhere.
type progress struct {
	err   io.Writer
	total int
	began time.Time

	mu       sync.Mutex
	done     int
	live     goprogress.Writer // nil elsewhere than on a terminal
	trackers map[string]*goprogress.Tracker
}

// newProgress shows a plan's execution; lively asks for a live display, where
// there is a terminal for it.
func newProgress(err io.Writer, plan run.Plan, lively bool) *progress {
	total := 0
	for _, b := range plan.Batches {
		if b.NotApplicable == "" {
			total++
		}
	}
	p := &progress{err: err, total: total, began: time.Now(), trackers: map[string]*goprogress.Tracker{}}
	if f, ok := err.(*os.File); ok && lively && isatty.IsTerminal(f.Fd()) {
		p.live = goprogress.NewWriter()
		p.live.SetOutputWriter(err)
		p.live.SetAutoStop(false)
		p.live.SetNumTrackersExpected(p.total)
		p.live.SetMessageLength(72)
		p.live.SetTrackerPosition(goprogress.PositionRight)
		p.live.Style().Visibility.Percentage = false
		p.live.Style().Visibility.Value = false
		p.live.Style().Visibility.Tracker = false
		go p.live.Render()
	}
	return p
}

// stop ends the live display; later lines are plain. It may be called again.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		return
	}
	for p.live.LengthActive() > 0 {
		for _, t := range p.trackers {
			t.MarkAsDone()
		}
	}
	p.live.Stop()
	p.live = nil
}

// Say prints a line about the run as a whole.
func (p *progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(format, args...)
}

// line prints one line; the caller holds mu.
func (p *progress) line(format string, args ...any) {
	text := fmt.Sprintf("%6.1fs  ", time.Since(p.began).Seconds()) + fmt.Sprintf(format, args...)
	if p.live != nil {
		p.live.Log("%s", text)
		return
	}
	fmt.Fprintln(p.err, text)
}

// Start says that a batch begins.
func (p *progress) Start(b run.Batch, target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	on := ""
	if target != "" {
		on = " on " + target
	}
	if p.live == nil {
		p.line("%s: %d profiles%s", b.ID, len(b.Profiles), on)
		return
	}
	t := &goprogress.Tracker{Message: b.ID + on, Total: 0}
	p.trackers[b.ID] = t
	p.live.AppendTracker(t)
}

// Phase says what a batch is doing.
func (p *progress) Phase(b run.Batch, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.trackers[b.ID]; t != nil && p.live != nil {
		t.UpdateMessage(b.ID + ": " + what)
		return
	}
	p.line("%s: %s", b.ID, what)
}

// Done says that a batch has ended.
func (p *progress) Done(b run.Batch, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	t := p.trackers[b.ID]
	if t != nil && p.live != nil {
		t.UpdateMessage(b.ID)
		if err != nil {
			t.MarkAsErrored()
		} else {
			t.MarkAsDone()
		}
	}
	if err != nil {
		p.line("%s: spoilt after %s: %v", b.ID, took.Round(100*time.Millisecond), err)
		return
	}
	if p.live == nil {
		p.line("%s: done in %s (%d of %d)", b.ID, took.Round(100*time.Millisecond), p.done, p.total)
	}
}
