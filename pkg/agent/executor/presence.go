package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// presenceLook is how long the kernel may stay silent before a presence stream
// looks by itself: every wake-up costs an emulated machine milliseconds, and a
// batch has a dozen of these streams.
const presenceLook = time.Second

// presence is a stream that reports whether something is there, at the start
// and whenever that changes.
type presence struct {
	stream *stream
	fd     int
	events int16 // of poll(2) that mean: look again
	there  func() bool
	heard  func() // takes the kernel's word from fd, where that must be read; nil: nothing
	final  bool   // what is gone cannot come back
}

// newMounts returns the work of a stream that reports whether something is
// mounted on Path, in the mount namespace of process PID (0: the agent's own).
// The kernel tells of every change of a mount table by poll(2): proc(5).
func newMounts(s *stream) (runner, error) {
	table := "/proc/self/mountinfo"
	if s.spec.PID > 0 {
		table = fmt.Sprintf("/proc/%d/mountinfo", s.spec.PID)
	}
	// Not os.Open: the Go runtime would have the file in its own epoll set, and
	// each poll of a mount table takes the news away from all others on the same
	// open file (fs/proc_namespace.c mounts_poll), so that changes were missed.
	fd, err := unix.Open(table, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("watch mounts: open %s: %w", table, err)
	}
	target := escapeMountpoint(s.spec.Path)
	return func(s *stream) string {
		defer unix.Close(fd)
		p := presence{stream: s, fd: fd, events: unix.POLLERR | unix.POLLPRI, there: func() bool {
			text, err := os.ReadFile(table)
			return err == nil && mountedOn(string(text), target)
		}}
		return s.untilEnd(p.follow)
	}, nil
}

// mountedOn says whether a table in the format of mountinfo has the mount
// point, which is escaped as the kernel does.
func mountedOn(table, target string) bool {
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == target {
			return true
		}
	}
	return false
}

// escapeMountpoint writes a path as mountinfo does (fs/proc_namespace.c
// mangle).
func escapeMountpoint(path string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(path)
}

// newProcess returns the work of a stream that reports when process PID ends,
// by a pidfd: no other process can be taken for it.
func newProcess(s *stream) (runner, error) {
	if s.spec.PID <= 0 {
		return nil, errors.New("a process stream needs a pid")
	}
	fd, err := unix.PidfdOpen(s.spec.PID, 0)
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", s.spec.PID, err)
	}
	return func(s *stream) string {
		defer unix.Close(fd)
		p := presence{stream: s, fd: fd, events: unix.POLLIN, final: true, there: func() bool {
			return unix.PidfdSendSignal(fd, 0, nil, 0) == nil && !pollReady(fd, unix.POLLIN, 0)
		}}
		return s.untilEnd(p.follow)
	}, nil
}

// newName returns the work of a stream that reports whether a name exists on
// the local disk. The kernel tells of what comes and goes in its directory:
// inotify(7); on NFS it would tell nothing of what others do.
func newName(s *stream) (runner, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: inotify: %w", s.spec.Path, err)
	}
	dir := filepath.Dir(s.spec.Path)
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVE); err != nil {
		return nil, errors.Join(fmt.Errorf("watch directory %s: %w", dir, err), unix.Close(fd))
	}
	return func(s *stream) string {
		defer unix.Close(fd)
		p := presence{stream: s, fd: fd, events: unix.POLLIN, heard: func() { drain(fd) }, there: func() bool {
			return unix.Faccessat(unix.AT_FDCWD, s.spec.Path, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
		}}
		return s.untilEnd(p.follow)
	}, nil
}

// follow looks, reports what changed, and waits for the kernel's word.
func (p *presence) follow(ends *ending) (reason string) {
	pace := newPace(p.stream)
	looked, known := mono.Now(), false
	var was bool
	for {
		begin := mono.Now()
		is := p.there()
		if !known || is != was {
			p.stream.count("", 0)
			p.stream.emit(proto.Event{T0: looked, T1: mono.Now(), Found: &is})
		}
		looked, known, was = begin, true, is
		if p.final && !is {
			return reasonGone
		}
		if ends.await(p.fd, p.events, pace.within(presenceLook)) && p.heard != nil {
			p.heard()
		}
		if reason := pace.pause(0); reason != "" {
			return reason
		}
	}
}

// pollReady waits for at most ms milliseconds.
func pollReady(fd int, events int16, ms int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(fds, ms)
	return err == nil && n > 0
}
