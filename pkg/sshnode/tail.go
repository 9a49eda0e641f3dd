package sshnode

import "sync"

// tail is a writer that keeps the last limit bytes. Safe for concurrent use.
type tail struct {
	mu        sync.Mutex
	limit     int
	buf       []byte
	next      int // where the oldest byte is, once buf is full
	truncated bool
}

func newTail(limit int) *tail { return &tail{limit: limit} }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if grow := min(t.limit-len(t.buf), len(p)); grow > 0 {
		t.buf = append(t.buf, p[:grow]...)
		p = p[grow:]
	}
	if len(p) == 0 {
		return n, nil
	}
	t.truncated = true
	if len(p) > t.limit {
		p = p[len(p)-t.limit:]
	}
	for len(p) > 0 {
		c := copy(t.buf[t.next:], p)
		p = p[c:]
		t.next = (t.next + c) % t.limit
	}
	return n, nil
}

// snapshot returns a copy of what is kept, oldest first, and whether anything
// was dropped.
func (t *tail) snapshot() ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]byte, 0, len(t.buf))
	out = append(out, t.buf[t.next:]...)
	return append(out, t.buf[:t.next]...), t.truncated
}
