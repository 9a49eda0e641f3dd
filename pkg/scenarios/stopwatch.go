package scenarios

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"
)

// stopwatch notes the time spent waiting for other machines (an event, an
// answer), so that the orchestrator's own share of a trial can be told.
type stopwatch struct {
	mu      sync.Mutex
	waiting int
	since   time.Time
	total   time.Duration // waits that overlap count once
	waits   []wait        // those that have ended
}

// wait is one wait for another machine.
type wait struct{ from, to time.Time }

// start notes that a wait began; the returned function ends it.
func (s *stopwatch) start() (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	if s.waiting == 0 {
		s.since = began
	}
	s.waiting++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		ended := time.Now()
		s.waits = append(s.waits, wait{began, ended})
		s.waiting--
		if s.waiting == 0 {
			s.total += ended.Sub(s.since)
		}
	}
}

// chain is the longest chain of waits so far, each of which began when the one
// before it had ended: no orchestrator that does things in that order could be
// quicker.
func (s *stopwatch) chain() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return longestChain(s.waits)
}

// longestChain is the largest sum of waits of which no two overlap.
func longestChain(waits []wait) time.Duration {
	byEnd := slices.SortedFunc(slices.Values(waits), func(a, b wait) int { return a.to.Compare(b.to) })
	best := make([]time.Duration, len(byEnd)+1) // of the first i
	for i, w := range byEnd {
		before := sort.Search(i, func(j int) bool { return byEnd[j].to.After(w.from) })
		best[i+1] = max(best[i], best[before]+w.to.Sub(w.from))
	}
	return best[len(byEnd)]
}

// elapsed is the sum so far, without waits that still go on.
func (s *stopwatch) elapsed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

type stopwatchKey struct{}

// withStopwatch returns a context whose waits count on s.
func withStopwatch(ctx context.Context, s *stopwatch) context.Context {
	return context.WithValue(ctx, stopwatchKey{}, s)
}

// waiting notes that a wait for another machine begins; the returned function
// ends it. Outside of a trial it does nothing.
func waiting(ctx context.Context) (stop func()) {
	if s, ok := ctx.Value(stopwatchKey{}).(*stopwatch); ok {
		return s.start()
	}
	return func() {}
}
