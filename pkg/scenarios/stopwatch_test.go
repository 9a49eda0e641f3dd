package scenarios

import (
	"testing"
	"time"
)

func TestLongestChain(t *testing.T) {
	t.Parallel()
	zero := time.Unix(0, 0)
	of := func(pairs ...int) []wait {
		var out []wait
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, wait{zero.Add(time.Duration(pairs[i]) * time.Second), zero.Add(time.Duration(pairs[i+1]) * time.Second)})
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		waits []wait
		want  time.Duration // s
	}{
		{"none", nil, 0},
		{"one after the other, with a pause", of(0, 3, 4, 6), 5},
		{"one within the other", of(0, 10, 2, 4), 10},
		{"many short ones within a long one that ends last", of(0, 3, 3, 6, 6, 9, 1, 9), 9},
		{"side by side", of(0, 5, 0, 4, 5, 7, 4, 8), 8},
		{"out of order", of(6, 8, 0, 2, 3, 5), 6},
		{"the longest of all is not in the chain", of(0, 4, 3, 8, 4, 9), 9},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := longestChain(tc.waits); got != tc.want*time.Second {
				t.Errorf("%s, want %d s", got, tc.want)
			}
		})
	}
}

// TestStopwatch checks that waits that overlap count once in the sum.
func TestStopwatch(t *testing.T) {
	t.Parallel()
	var s stopwatch
	first := s.start()
	second := s.start()
	if s.elapsed() != 0 || s.chain() != 0 {
		t.Error("waits that go on are counted")
	}
	first()
	second()
	if s.elapsed() <= 0 || s.chain() <= 0 || s.chain() > s.elapsed() {
		t.Errorf("%s in all, chain %s: a chain is no longer than the sum", s.elapsed(), s.chain())
	}
}
