package scenarios

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMeet checks for what a side that has the lock waits, and what counts as
// having met the other.
func TestMeet(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped")
	for _, tc := range []struct {
		name   string
		before func(other *holder)                                 // this side had the lock
		after  func(other *holder, cancel context.CancelCauseFunc) // a second later
		met    int32
		took   time.Duration
		err    error
	}{
		{"the other side asks", nil, func(o *holder, _ context.CancelCauseFunc) { o.answered <- struct{}{} }, 1, time.Second, nil},
		{"it had asked before", func(o *holder) { o.answered <- struct{}{} }, nil, 0, meetWithin, nil},
		{"it asks no more", (*holder).askNoMore, nil, 0, 0, nil},
		{"it stops asking", nil, func(o *holder, _ context.CancelCauseFunc) { o.askNoMore(); o.askNoMore() }, 0, time.Second, nil},
		{"it never asks", nil, nil, 0, meetWithin, nil},
		{"the trial is over", nil, func(_ *holder, cancel context.CancelCauseFunc) { cancel(stopped) }, 0, time.Second, stopped},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var met atomic.Int32
				other := &holder{answered: make(chan struct{}, 1), done: make(chan struct{})}
				h := &holder{met: &met, other: other}
				if tc.before != nil {
					tc.before(other)
				}
				if tc.after != nil {
					time.AfterFunc(time.Second, func() { tc.after(other, cancel) })
				}
				began := time.Now()
				if err := h.meet(ctx); !errors.Is(err, tc.err) {
					t.Errorf("error %v, want %v", err, tc.err)
				}
				if took := time.Since(began); took != tc.took || met.Load() != tc.met {
					t.Errorf("met %d times after %s, want %d after %s", met.Load(), took, tc.met, tc.took)
				}
			})
		})
	}
}

// TestTurns checks that two sides take turns, also when one of them asks much
// more often, and that neither waits for one that asks no more.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var met atomic.Int32
		var lock sync.Mutex
		var order []string
		sides := map[string]*holder{}
		for _, name := range []string{"a", "b"} {
			sides[name] = &holder{met: &met, answered: make(chan struct{}, 1), given: make(chan struct{}, 1), done: make(chan struct{})}
		}
		sides["a"].other, sides["b"].other = sides["b"], sides["a"]
		run := func(name string, every time.Duration, rounds int) func() {
			return func() {
				h := sides[name]
				defer h.askNoMore()
				for range rounds {
					for !lock.TryLock() {
						drain(h.other.given)
						signal(h.answered)
						time.Sleep(every) // of the bubble's clock
					}
					drain(h.other.given)
					signal(h.given)
					order = append(order, name)
					if err := h.meet(t.Context()); err != nil {
						t.Error(err)
					}
					lock.Unlock()
					if err := h.yield(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		}
		began := time.Now()
		var wait sync.WaitGroup
		wait.Go(run("a", time.Millisecond, 5))
		wait.Go(run("b", time.Second, 3))
		wait.Wait()
		if got := strings.Join(order, ""); !strings.Contains(got, "ababab") && !strings.Contains(got, "bababa") || len(got) != 8 {
			t.Errorf("turns %s", got)
		}
		if took := time.Since(began); took >= meetWithin+10*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
