package keeper

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

// steps is the keeper's progress: to its log for good, to its starter until the
// lab is ready or has failed.
type steps struct {
	changed func(line string)

	mu     sync.Mutex
	log    io.Writer
	events io.WriteCloser // nil when nobody listens any more
}

func (s *steps) logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	s.write(line)
	s.send(qemu.Event{Line: line})
	s.changed(line)
}

// write adds a line to the log alone.
func (s *steps) write(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.log, "%s %s\n", time.Now().UTC().Format("15:04:05.000"), line)
}

func (s *steps) ready() {
	s.send(qemu.Event{Ready: true})
	s.hangUp()
}

// interrupted tells a starter that still listens that the lab was taken down
// before it was ready.
func (s *steps) interrupted(cause error) {
	s.send(qemu.Event{Failure: &qemu.Failure{Usage: true, What: fmt.Sprintf("the lab was ended while it started: %v", cause)}})
	s.hangUp()
}

// finish says how the keeper ended, if somebody still listens.
func (s *steps) finish(err error) {
	if err != nil {
		s.write(err.Error())
		s.send(qemu.Event{Failure: qemu.FailureOf(err)})
	}
	s.hangUp()
}

func (s *steps) send(e qemu.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events == nil {
		return
	}
	b, err := json.Marshal(e)
	if err == nil {
		_, err = s.events.Write(append(b, '\n'))
	}
	if err != nil { // the starter is gone; the tether tells
		_ = s.events.Close()
		s.events = nil
	}
}

func (s *steps) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events != nil {
		_ = s.events.Close()
		s.events = nil
	}
}
