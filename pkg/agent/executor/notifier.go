package executor

import (
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// How often a tail looks when nothing tells it to: with inotify as a safety
// net, more often while it has seen a gap that it is to tell of when it has
// stayed; without as the only means.
const (
	lookWithNotify = time.Second
	lookAtGap      = 50 * time.Millisecond
	lookWithout    = 5 * time.Millisecond
)

// notifier waits for changes of a file, by inotify if there is one.
type notifier struct {
	fd   int // -1: none
	poll time.Duration
}

// newNotifier watches for the file's name to come and go.
func newNotifier(path string) *notifier {
	n := &notifier{fd: -1, poll: lookWithout}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return n
	}
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE); err != nil {
		_ = unix.Close(fd)
		return n
	}
	n.fd, n.poll = fd, lookWithNotify
	return n
}

// watchFile watches the file that has the name now. A watch of the directory
// alone would miss what the NFS server writes: it opens files by their handle,
// and such a file need not know its directory (fs/exportfs/expfs.c).
func (n *notifier) watchFile(path string) {
	if n.fd < 0 {
		return
	}
	if _, err := unix.InotifyAddWatch(n.fd, path, unix.IN_MODIFY); err != nil {
		n.poll = lookWithout
	}
}

// await waits for a change, for the stream's end, or until it is time to look
// anyway: at the latest after within.
func (n *notifier) await(ends *ending, within time.Duration) {
	if ends.await(n.fd, unix.POLLIN, min(n.poll, within)) {
		drain(n.fd)
	}
}

// drain reads what inotify has to tell: that it had something is enough.
func drain(fd int) {
	events := make([]byte, 16<<10)
	for {
		if got, err := unix.Read(fd, events); err != nil || got < len(events)/2 {
			return
		}
	}
}

func (n *notifier) close() {
	if n.fd >= 0 {
		_ = unix.Close(n.fd)
	}
}
