package executor

import (
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// ending lets a stream wait in poll(2) for the kernel's word and for the
// stream's own end at once, without waking up in between.
type ending struct {
	fd   int // eventfd(2), readable once the stream was told to end
	gone chan struct{}
	told sync.WaitGroup
}

// untilEnd does work that waits for the stream's end among others.
func (s *stream) untilEnd(work func(*ending) (reason string)) (reason string) {
	ends, err := newEnding(s)
	if err != nil {
		s.count(errnoName(err), 0)
		s.emit(proto.Event{T0: mono.Now(), Errno: errnoName(err), Call: "eventfd"})
		return reasonError
	}
	defer ends.close()
	return work(ends)
}

func newEnding(s *stream) (*ending, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	e := &ending{fd: fd, gone: make(chan struct{})}
	e.told.Go(func() {
		select {
		case <-s.quit:
			// The counter is 0 before: it cannot overflow, the only way to fail.
			_, _ = unix.Write(e.fd, binary.NativeEndian.AppendUint64(nil, 1))
		case <-e.gone:
		}
	})
	return e, nil
}

// await waits until fd has one of the events, the stream was told to end, or
// the time is over, and returns whether fd has. fd -1: there is none.
func (e *ending) await(fd int, events int16, within time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}, {Fd: int32(fd), Events: events}}
	n, err := unix.Poll(fds, int(within.Milliseconds()))
	return err == nil && n > 0 && fds[1].Revents != 0
}

func (e *ending) close() {
	close(e.gone)
	e.told.Wait()
	_ = unix.Close(e.fd)
}
