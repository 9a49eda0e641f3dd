package executor

import (
	"sync"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// ring keeps a stream's last events and wakes those who wait for the next.
type ring struct {
	mu     sync.Mutex
	wake   *sync.Cond
	size   int
	events []proto.Event // of number n at (n-1) % size
	last   uint64        // number of the newest; 0: none
	closed bool
}

func newRing(size int) *ring {
	r := &ring{size: size}
	r.wake = sync.NewCond(&r.mu)
	return r
}

// put numbers an event and keeps it; last says that none follows.
func (r *ring) put(ev proto.Event, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.last++
	ev.N = r.last
	if ev.End != nil {
		ev.End.Events = r.last
	}
	if len(r.events) < r.size {
		r.events = append(r.events, ev)
	} else {
		r.events[int((r.last-1)%uint64(r.size))] = ev
	}
	r.closed = last
	r.wake.Broadcast()
}

// oldest is the number of the oldest event that is kept; the caller holds mu.
func (r *ring) oldest() uint64 { return r.last - uint64(len(r.events)) + 1 }

// bounds returns the numbers of the newest event and of the oldest one kept.
func (r *ring) bounds() (last, oldest uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.oldest()
}

// from waits for events of number next on and returns at most `most` of them,
// the first with the count of those that are lost in Lost; none when the ring
// is closed and all are read, or give is true. Who makes give true must
// Broadcast.
func (r *ring) from(next uint64, most int, give func() bool) []proto.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.last < next && !r.closed && !give() {
		r.wake.Wait()
	}
	if r.last < next || give() {
		return nil
	}
	var lost uint64
	if oldest := r.oldest(); next < oldest {
		lost = oldest - next
		next = oldest
	}
	count := min(int(r.last-next)+1, most)
	out := make([]proto.Event, count)
	for i := range out {
		out[i] = r.events[int((next-1+uint64(i))%uint64(r.size))]
	}
	out[0].Lost = lost
	return out
}
