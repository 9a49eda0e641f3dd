package scenarios

import (
	"context"
	"sync"
	"time"
)

// stopwatch sums the time spent waiting for other machines (an event, an
// answer), so that the orchestrator's own share of a trial can be told. Waits
// that overlap count once.
type stopwatch struct {
	mu      sync.Mutex
	waiting int
	since   time.Time
	total   time.Duration
}

// start notes that a wait began; the returned function ends it.
func (s *stopwatch) start() (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == 0 {
		s.since = time.Now()
	}
	s.waiting++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
		if s.waiting == 0 {
			s.total += time.Since(s.since)
		}
	}
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
