package executor

import (
	"errors"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// newTail returns the work of a stream that reports the records which arrive
// in a log on the local disk. It is not for files on NFS: nothing tells a
// client what others write.
func newTail(s *stream) (runner, error) {
	if s.spec.Mode != "" || s.spec.Client != "" {
		return nil, errors.New("a tail has no mode and no client")
	}
	return func(s *stream) string {
		t := &tail{stream: s, notify: newNotifier(s.spec.Path), file: held{stream: s, flags: readFlags}}
		defer t.notify.close()
		defer t.file.close(&chain{})
		return s.untilEnd(t.follow)
	}, nil
}

// tail is a stream that follows one file name.
type tail struct {
	stream  *stream
	notify  *notifier
	file    held
	ino     uint64
	missing bool // said so
	view    *window
	looked  int64 // when the look before began; 0: none
}

func (t *tail) follow(ends *ending) (reason string) {
	p := newPace(t.stream)
	for {
		t.attach()
		reason := p.pause(0)
		t.report(reason != "")
		if limit := t.stream.spec.MaxRecords; reason == "" && limit > 0 && t.stream.succeeded() >= limit {
			reason = reasonRecords
		}
		if reason != "" {
			return reason
		}
		within := lookWithNotify
		if t.view != nil && t.view.waits() {
			within = lookAtGap
		}
		t.notify.await(ends, p.within(within))
	}
}

// succeeded is the number of rounds without an error so far.
func (s *stream) succeeded() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total.OK
}

// attach opens the file when it appears, and again when another one has taken
// its name.
func (t *tail) attach() {
	s := t.stream
	st, step := s.thread.statPath(s.spec.Path, false)
	if st == nil {
		if !t.missing {
			s.emit(proto.Event{T0: step.T0, T1: step.T1, Errno: step.Errno, Note: "missing"})
		}
		t.missing = true
		return
	}
	t.missing = false
	if t.file.isOpen && st.Ino == t.ino {
		if st.Size < t.view.end() {
			s.emit(proto.Event{T0: step.T0, T1: step.T1, Bytes: st.Size, Note: "truncated"})
			t.view = newWindow()
		}
		return
	}
	if t.file.isOpen {
		t.report(true)
		s.emit(proto.Event{T0: step.T0, T1: step.T1, Stat: st, Note: "replaced"})
		t.file.close(&chain{})
	}
	opening := &chain{}
	t.file.open(opening)
	if opening.failed {
		return
	}
	st, step = s.thread.fstatFD(t.file.fd)
	if st == nil {
		t.file.close(&chain{})
		s.emit(proto.Event{T0: step.T0, T1: step.T1, Errno: step.Errno, Call: step.Call})
		return
	}
	t.ino, t.view = st.Ino, newWindow()
	t.notify.watchFile(s.spec.Path)
}

// report reads what is new and reports it; with all set, also the gaps that
// might still be filled.
func (t *tail) report(all bool) {
	if !t.file.isOpen {
		return
	}
	s := t.stream
	patience := time.Duration(s.spec.GapMS) * time.Millisecond
	for {
		buf := t.view.room()
		step := s.thread.pread(t.file.fd, buf, t.view.base)
		if step.Errno != "" {
			s.count(step.Errno, 0)
			s.emit(proto.Event{T0: step.T0, T1: step.T1, Errno: step.Errno, Call: step.Call})
			return
		}
		more := step.N == int64(len(buf))
		for _, ev := range t.view.take(buf[:step.N], step.T1, all, more, patience) {
			ev.T0, ev.T1 = t.looked, step.T1
			s.count(string(ev.Gap), ev.Seq)
			s.emit(ev)
		}
		if !more {
			t.looked = step.T0
			return
		}
	}
}
