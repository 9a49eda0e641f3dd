package executor

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// maxStreams bounds the streams that an agent knows, ended ones included.
const maxStreams = 256

// Why a stream ended.
const (
	reasonStopped  = "stopped"
	reasonRecords  = "max_records"
	reasonDuration = "duration"
	reasonError    = "error"
	reasonGone     = "gone" // what was watched cannot come back
)

// stream is something that goes on by itself in a thread of its own.
type stream struct {
	id     string
	spec   proto.StreamSpec
	ring   *ring
	thread *thread
	quit   chan struct{} // closed by halt
	once   sync.Once
	done   chan struct{} // closed after the last event

	mu    sync.Mutex
	total proto.StreamEnd
}

// newStream checks the specification and fills in what it leaves open.
func newStream(id string, spec proto.StreamSpec) (*stream, error) {
	if spec.Path == "" && spec.Kind != proto.Process {
		return nil, errors.New("a stream needs a path")
	}
	for _, n := range []int64{spec.IntervalUS, spec.DurationMS, spec.MaxRecords, spec.HangMS, spec.Size, spec.StartSeq, spec.RetryMS, spec.GapMS} {
		if n < 0 {
			return nil, fmt.Errorf("stream: %d is negative", n)
		}
	}
	spec.HangMS = orElse(spec.HangMS, 2000)
	spec.RetryMS = orElse(spec.RetryMS, 100)
	spec.GapMS = orElse(spec.GapMS, 2000)
	spec.StartSeq = orElse(spec.StartSeq, 1)
	spec.OnError = orElse(spec.OnError, defaultOnError(spec.Kind))
	spec.Sync = orElse(spec.Sync, "none")
	spec.Lock = orElse(spec.Lock, "none")
	if err := oneOf("on_error", spec.OnError, "stop", "retry", "reopen"); err != nil {
		return nil, err
	}
	if err := oneOf("sync", spec.Sync, "none", "fsync", "fdatasync", "osync", "close"); err != nil {
		return nil, err
	}
	if err := oneOf("lock", spec.Lock, "none", "posix", "flock"); err != nil {
		return nil, err
	}
	if stem, fresh := strings.CutSuffix(spec.Client, "*"); fresh {
		spec.Client = stem + randomHex()
	}
	return &stream{
		id: id, spec: spec, ring: newRing(proto.RingSize), thread: &thread{},
		quit: make(chan struct{}), done: make(chan struct{}),
		total: proto.StreamEnd{Stream: id, Kind: spec.Kind, Client: spec.Client, Errnos: map[string]int64{}},
	}, nil
}

// defaultOnError is what follows a failed round: a writer opens anew, as an
// application would; what a poller holds open is its subject.
func defaultOnError(kind string) string {
	if kind == proto.Poller {
		return "retry"
	}
	return "reopen"
}

// randomHex returns eight random hexadecimal digits.
func randomHex() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return hex.EncodeToString(b)
}

func orElse[T comparable](v, other T) T {
	var none T
	if v == none {
		return other
	}
	return v
}

func oneOf(field, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q: want one of %s", field, value, strings.Join(allowed, ", "))
}

// runner is a stream's work: it returns why it ended.
type runner func(*stream) (reason string)

// runnerOf checks the part of the specification that is the kind's own.
func runnerOf(s *stream) (runner, error) {
	switch s.spec.Kind {
	case proto.Appender:
		return newAppender(s)
	case proto.Writer:
		return newWriter(s)
	case proto.Poller:
		return newPoller(s)
	case proto.Tail:
		return newTail(s)
	case proto.Mounts:
		return newMounts(s)
	case proto.Process:
		return newProcess(s)
	case proto.Name:
		return newName(s)
	}
	return nil, fmt.Errorf("unknown stream kind %q: want appender, writer, poller, tail, mounts, process or name", s.spec.Kind)
}

// run runs the stream until it ends.
func (s *stream) run(work runner) {
	s.mu.Lock()
	s.total.T0 = mono.Now()
	s.mu.Unlock()
	switch s.spec.Kind {
	case proto.Mounts, proto.Process, proto.Name: // they make no call that can hang
	default:
		go s.watch()
	}
	go func() {
		defer s.thread.lock()()
		reason := work(s)
		s.mu.Lock()
		s.total.Reason, s.total.T1 = reason, mono.Now()
		end := s.totals()
		s.mu.Unlock()
		s.ring.put(proto.Event{Stream: s.id, End: &end}, true)
		s.mu.Lock()
		s.total.Events = end.Events
		s.mu.Unlock()
		close(s.done)
	}()
}

// totals copies the totals; the caller holds mu.
func (s *stream) totals() proto.StreamEnd {
	end := s.total
	end.Errnos = nil
	if len(s.total.Errnos) > 0 {
		end.Errnos = map[string]int64{}
		for k, v := range s.total.Errnos {
			end.Errnos[k] = v
		}
	}
	return end
}

// ended returns the totals of a stream that has ended.
func (s *stream) ended() (proto.StreamEnd, bool) {
	select {
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.totals(), true
	default:
		return proto.StreamEnd{}, false
	}
}

// halt tells the stream to end.
func (s *stream) halt() { s.once.Do(func() { close(s.quit) }) }

// emit reports an event.
func (s *stream) emit(ev proto.Event) {
	ev.Stream = s.id
	s.ring.put(ev, false)
}

// count adds a round to the totals.
func (s *stream) count(errno string, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errno != "" {
		s.total.Failed++
		s.total.Errnos[errno]++
		return
	}
	s.total.OK++
	if seq > 0 {
		if s.total.FirstSeq == 0 {
			s.total.FirstSeq = seq
		}
		s.total.LastSeq = seq
	}
}

// watch reports each call that takes longer than HangMS, once.
func (s *stream) watch() {
	limit := time.Duration(s.spec.HangMS) * time.Millisecond
	tick := time.NewTicker(max(limit/4, time.Millisecond))
	defer tick.Stop()
	var told *call
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		c := s.thread.current.Load()
		if c == nil || c == told || time.Duration(mono.Now()-c.t0) < limit {
			continue
		}
		told = c
		e := s.thread.look()
		s.mu.Lock()
		s.total.Hung++
		s.mu.Unlock()
		s.emit(proto.Event{T0: c.t0, Call: c.name, Hung: true, TID: e.tid, State: e.state, WChan: e.wchan, Stack: e.stack})
	}
}
