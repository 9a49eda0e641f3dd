package keeper

import (
	"fmt"
	"testing"
	"time"
)

func TestLeasesDue(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	for _, tt := range []struct {
		name     string
		renewals []float64 // of each node, s after the first look
		now      float64
		want     bool
	}{
		{"never renewed", []float64{}, 60, false},
		{"one of two renewed", []float64{3}, 12.5, false},
		{"together, just renewed", []float64{3, 3}, 4, false},
		{"together, due", []float64{3, 3}, 12.5, true},
		{"3 s apart, the first due", []float64{3, 6}, 12.5, true},
		{"3 s apart, the second due", []float64{3, 6}, 5.5, false},
		{"8 s apart, the later opens", []float64{3, 11}, 20.5, true},
		{"8 s apart, the earlier is due", []float64{3, 11}, 12.5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := leaseAges{workers: 2, at: map[string]leaseSeen{}}
			for i := range 2 {
				l.observe(fmt.Sprint(i), "a", at(0))
			}
			for i, r := range tt.renewals {
				if r <= tt.now {
					l.observe(fmt.Sprint(i), "b", at(r))
				}
			}
			if got := l.due(at(tt.now)); got != tt.want {
				t.Errorf("due = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCPUTime(t *testing.T) {
	t.Parallel()
	before, err := parseCPUTime("cpu  100 0 100 800 0 0 0 0 0 0")
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseCPUTime("cpu  110 0 110 870 10 0 0 0 0 0")
	if err != nil {
		t.Fatal(err)
	}
	if got := after.idleSince(before); got != 0.8 {
		t.Errorf("idle = %v, want 0.8", got)
	}
	if got := before.idleSince(after); got != 0 {
		t.Errorf("backwards = %v, want 0", got)
	}
}

func FuzzParseCPUTime(f *testing.F) {
	f.Add("cpu  100 0 100 800 0 0 0 0 0 0")
	f.Add("cpu0 1 2 3")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := parseCPUTime(in)
		if err == nil && c.idle > c.all {
			t.Errorf("%q: %+v", in, c)
		}
	})
}
