package executor

import (
	"testing"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

func TestRing(t *testing.T) {
	t.Parallel()
	never := func() bool { return false }
	tests := []struct {
		name      string
		put       int
		from      uint64
		most      int
		wantFirst uint64
		wantLen   int
		wantLost  uint64
	}{
		{"all", 3, 1, 10, 1, 3, 0},
		{"later ones", 3, 2, 10, 2, 2, 0},
		{"a few at a time", 3, 1, 2, 1, 2, 0},
		{"full", 4, 1, 10, 1, 4, 0},
		{"oldest gone", 10, 1, 10, 7, 4, 6},
		{"from the middle of what is gone", 10, 5, 10, 7, 4, 2},
		{"newest", 10, 10, 10, 10, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRing(4)
			for i := range tt.put {
				r.put(proto.Event{Seq: int64(i + 1)}, false)
			}
			got := r.from(tt.from, tt.most, never)
			if len(got) != tt.wantLen || got[0].Lost != tt.wantLost {
				t.Fatalf("got %+v", got)
			}
			for i, ev := range got {
				if ev.N != tt.wantFirst+uint64(i) || ev.Seq != int64(ev.N) {
					t.Errorf("event %d is %+v", i, ev)
				}
			}
		})
	}
}

func TestRingWaitsAndCloses(t *testing.T) {
	t.Parallel()
	r := newRing(4)
	got := make(chan []proto.Event)
	go func() {
		for next := uint64(1); ; next++ {
			events := r.from(next, 1, func() bool { return false })
			got <- events
			if len(events) == 0 {
				return
			}
		}
	}()
	r.put(proto.Event{Seq: 1}, false)
	if ev := <-got; len(ev) != 1 || ev[0].Seq != 1 {
		t.Errorf("got %+v", ev)
	}
	end := &proto.StreamEnd{}
	r.put(proto.Event{End: end}, true)
	if ev := <-got; len(ev) != 1 || ev[0].End == nil || end.Events != 2 {
		t.Errorf("got %+v", ev)
	}
	if ev := <-got; len(ev) != 0 {
		t.Errorf("got %+v after the end", ev)
	}
	r.put(proto.Event{}, false)
	if last, _ := r.bounds(); last != 2 {
		t.Errorf("an event after the end: %d", last)
	}
}
