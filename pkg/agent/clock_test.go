package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

func TestSample(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		times [4]int64 // sent, agent in, agent out, received
		want  ClockSample
		bad   bool
	}{
		{"even ways", [4]int64{1000, 510, 520, 1030}, ClockSample{At: 1015, Offset: 500, ErrorNS: 11, RTT: 20}, false},
		{"all of the way there", [4]int64{1000, 530, 530, 1030}, ClockSample{At: 1015, Offset: 485, ErrorNS: 16, RTT: 30}, false},
		{"agent ahead", [4]int64{1000, 9010, 9010, 1020}, ClockSample{At: 1010, Offset: -8000, ErrorNS: 11, RTT: 20}, false},
		{"agent backwards", [4]int64{1000, 520, 510, 1030}, ClockSample{}, true},
		{"longer in the agent than outside", [4]int64{1000, 500, 600, 1050}, ClockSample{}, true},
		{"no clock", [4]int64{1000, 0, 0, 1050}, ClockSample{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := sample(tt.times[0], tt.times[1], tt.times[2], tt.times[3])
			if (err != nil) != tt.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sample (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExchanges(t *testing.T) {
	t.Parallel()
	const s, ms = int64(1e9), int64(1e6)
	// The agent's clock is 500 s behind: offset 500 s.
	exchange := func(at, there, back int64) [4]int64 {
		return [4]int64{at, at + there - 500*s, at + there - 500*s, at + there + back}
	}
	for _, tc := range []struct {
		name  string
		times [][4]int64
		want  ClockSample
	}{
		{"one", [][4]int64{exchange(1000*s, 4*ms, 2*ms)}, ClockSample{At: 1000*s + 3*ms, Offset: 500*s - ms, ErrorNS: 3*ms + 1, RTT: 6 * ms}},
		{
			"the fastest way there and the fastest way back", [][4]int64{exchange(1000*s, 1*ms, 9*ms), exchange(1000*s+10*ms, 8*ms, 1*ms)},
			// within ± 1 ms, and what 19 ms of drift may add
			ClockSample{At: 1000*s + 14*ms + ms/2, Offset: 500 * s, ErrorNS: ms + 1 + 19000, RTT: 9 * ms},
		},
		{
			"spread so far that drift outweighs", [][4]int64{exchange(1000*s, 1*ms, 2*ms), exchange(1002*s, 2*ms, ms)},
			ClockSample{At: 1000*s + ms + ms/2, Offset: 500*s + ms/2, ErrorNS: ms + ms/2 + 1, RTT: 3 * ms},
		},
		{
			"a clock that was stepped", [][4]int64{exchange(1000*s, 1*ms, 1*ms), {1000*s + 10*ms, 400 * s, 400 * s, 1000*s + 20*ms}},
			ClockSample{At: 1000*s + ms, Offset: 500 * s, ErrorNS: ms + 1, RTT: 2 * ms},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var x exchanges
			for _, e := range tc.times {
				if err := x.add(e[0], e[1], e[2], e[3]); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, x.sample()); diff != "" {
				t.Errorf("sample (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClockMap(t *testing.T) {
	t.Parallel()
	const s = int64(1e9)
	before := ClockSample{At: 100 * s, Offset: 10 * s, ErrorNS: 1000}            // agent's 90 s
	after := ClockSample{At: 200*s + 10000, Offset: 10*s + 10000, ErrorNS: 2000} // agent's 190 s
	stopped := ClockSample{At: 260 * s, Offset: 40 * s, ErrorNS: 1000}           // agent's 220 s: stood still for 30 s
	tests := []struct {
		name    string
		samples []ClockSample
		agent   int64
		want    int64
		wantErr int64
	}{
		{"at a sample", []ClockSample{before}, 90 * s, 100 * s, 1000},
		{"after the only sample", []ClockSample{before}, 91 * s, 101 * s, 1000 + 1e6},
		{"before the only sample", []ClockSample{before}, 88 * s, 98 * s, 1000 + 2e6},
		{"half way", []ClockSample{before, after}, 140 * s, 150*s + 5000, 2000 + 10000},
		{"in any order", []ClockSample{after, before}, 140 * s, 150*s + 5000, 2000 + 10000},
		{"near a sample", []ClockSample{before, after}, 90*s + 1e6, 100*s + 1e6, 2000 + 1000},
		{"at the second sample", []ClockSample{before, after}, 190 * s, 200*s + 10000, 2000},
		{"behind both", []ClockSample{before, after}, 191 * s, 201*s + 10000, 2000 + 1e6},
		{"across a stop", []ClockSample{before, stopped}, 155 * s, 180 * s, 1000 + 30*s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := NewClockMap(tt.samples...)
			if err != nil {
				t.Fatal(err)
			}
			got, gotErr := m.ToController(tt.agent)
			if got != tt.want || gotErr != tt.wantErr {
				t.Errorf("got %d ± %d, want %d ± %d", got, gotErr, tt.want, tt.wantErr)
			}
		})
	}
	if _, err := NewClockMap(); err == nil {
		t.Error("a map of no samples")
	}
}

// TestPing measures this machine's clock against itself: the true offset is 0.
func TestPing(t *testing.T) {
	t.Parallel()
	c := connect(t, newAgent(t))
	s, err := c.Ping(testContext(t), 20)
	if err != nil {
		t.Fatal(err)
	}
	if s.Offset > s.ErrorNS || s.Offset < -s.ErrorNS || s.RTT <= 0 || s.At == 0 {
		t.Errorf("sample %+v", s)
	}
	m, err := NewClockMap(s)
	if err != nil {
		t.Fatal(err)
	}
	from := Mono()
	got, within := m.ToController(do(t, c, proto.Request{Op: proto.OpInfo}).Info.MonoNS)
	if to := Mono(); got < from-within || got > to+within {
		t.Errorf("mapped to %d ± %d, was between %d and %d", got, within, from, to)
	}
	if _, err := c.Ping(testContext(t), 0); err == nil {
		t.Error("a sample of no exchanges")
	}
}
