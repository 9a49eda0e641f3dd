package agent

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// maxDrift is how fast two clocks may part that nobody steps: the kernel slews
// a clock by at most 500 ppm (MAXFREQ in include/linux/timex.h), and there are
// two of them.
const maxDrift = 1000e-6

// ClockMap maps an agent's clock to the controller's, by linear interpolation
// between samples. It is for figures; verdicts rest on the controller's own
// clock.
type ClockMap struct {
	samples []ClockSample
}

// NewClockMap returns the map through the samples, in any order; at least one,
// better one before and one after what is to be mapped.
func NewClockMap(samples ...ClockSample) (ClockMap, error) {
	if len(samples) == 0 {
		return ClockMap{}, errors.New("map clock: no samples")
	}
	s := slices.Clone(samples)
	slices.SortFunc(s, func(a, b ClockSample) int { return cmp.Compare(a.agentTime(), b.agentTime()) })
	return ClockMap{samples: s}, nil
}

// agentTime is the agent's clock at the middle of the exchange.
func (s ClockSample) agentTime() int64 { return s.At - s.Offset }

// ToController maps a time of the agent's clock to the controller's; both in
// nanoseconds. The true time is within ± errNS. The error is that of the
// samples, and more the farther from them: by what clocks may drift, or, where
// two samples differ by more than that (a machine that was stopped, a restored
// snapshot), by all of the difference.
func (m ClockMap) ToController(agentNS int64) (ns int64, errNS int64) {
	i, _ := slices.BinarySearchFunc(m.samples, agentNS, func(s ClockSample, t int64) int {
		return cmp.Compare(s.agentTime(), t)
	})
	if i == 0 {
		return m.samples[0].project(agentNS)
	}
	if i == len(m.samples) {
		return m.samples[i-1].project(agentNS)
	}
	return between(m.samples[i-1], m.samples[i], agentNS)
}

// project maps a time outside of the samples.
func (s ClockSample) project(agentNS int64) (ns, errNS int64) {
	away := math.Abs(float64(agentNS - s.agentTime()))
	return agentNS + s.Offset, s.ErrorNS + int64(math.Ceil(away*maxDrift))
}

// between maps a time that lies between two samples.
func between(a, b ClockSample, agentNS int64) (ns, errNS int64) {
	span := float64(b.agentTime() - a.agentTime())
	if span <= 0 {
		return a.project(agentNS)
	}
	fromA := float64(agentNS - a.agentTime())
	step := float64(b.Offset - a.Offset)
	offset := a.Offset + int64(math.Round(step*fromA/span))
	sampled := max(a.ErrorNS, b.ErrorNS)

	bend := math.Abs(step)
	if bend <= span*maxDrift+float64(a.ErrorNS+b.ErrorNS) {
		bend = min(bend, min(fromA, span-fromA)*maxDrift)
	}
	return agentNS + offset, sampled + int64(math.Ceil(bend))
}
