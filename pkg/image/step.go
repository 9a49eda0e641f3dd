package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// stopGrace is how long a step has, after it was told to stop, to unmount and
// delete what it made.
const stopGrace = 20 * time.Second

// tailBytes is how much of a failed step's messages its error shows.
const tailBytes = 4 << 10

// StepError says which step of a build failed, with the end of what it wrote.
type StepError struct {
	Step   string // as in "install the packages"
	Output string // the last lines of its standard error
	Err    error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("%s: %v\n%s", e.Step, e.Err, strings.TrimSpace(e.Output))
}

func (e *StepError) Unwrap() error { return e.Err }

// newCommand is a command that runs in dir and is told to stop, rather than
// killed, when ctx ends.
func newCommand(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// runStep runs cmd and hands its standard error on to lines as well.
func runStep(ctx context.Context, step string, cmd *exec.Cmd, lines io.Writer) error {
	tail := &tailWriter{max: tailBytes}
	cmd.Stderr = tail
	if lines != nil {
		cmd.Stderr = io.MultiWriter(tail, lines)
	}
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &StepError{Step: step, Output: tail.String(), Err: err}
}

// tailWriter keeps the last max bytes.
type tailWriter struct {
	max int
	buf []byte
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	if over := len(w.buf) - w.max; over > 0 {
		w.buf = append(w.buf[:0], w.buf[over:]...)
	}
	return len(p), nil
}

func (w *tailWriter) String() string { return string(w.buf) }

// lineWriter calls line for each whole line, without the newline.
type lineWriter struct {
	line func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.line(strings.TrimRight(string(w.rest[:i]), "\r"))
		w.rest = w.rest[i+1:]
	}
}

// steps says what a build does, with the time since it began.
type steps struct {
	name  string
	logf  func(format string, args ...any)
	start time.Time
}

func (s *steps) say(step string) {
	s.logf("%s: %s (%s)", s.name, step, time.Since(s.start).Round(time.Second))
}

// sayStep takes a line of mmdebstrap's and says it if it is a step that begins.
func (s *steps) sayStep(line string) {
	// Its other lines are about itself: modes, formats, directories.
	step, ok := strings.CutPrefix(line, "I: ")
	step, running := strings.CutSuffix(step, "...")
	if ok && running && !strings.Contains(step, "/") {
		s.say(step)
	}
}
