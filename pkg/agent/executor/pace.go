package executor

import "time"

// pace spaces a stream's rounds and says when they are over. Rounds start at
// multiples of the interval; those that a slow round swallowed are left out.
type pace struct {
	stream   *stream
	interval time.Duration
	begin    time.Time
	end      time.Time // zero: none
	rounds   int64
}

func newPace(s *stream) *pace {
	p := &pace{stream: s, interval: time.Duration(s.spec.IntervalUS) * time.Microsecond, begin: time.Now()}
	if s.spec.DurationMS > 0 {
		p.end = p.begin.Add(time.Duration(s.spec.DurationMS) * time.Millisecond)
	}
	return p
}

// next waits for the next round; an empty reason means go.
func (p *pace) next() (reason string) {
	if limit := p.stream.spec.MaxRecords; limit > 0 && p.rounds >= limit {
		return reasonRecords
	}
	wait := time.Duration(0)
	if p.interval > 0 && p.rounds > 0 {
		wait = p.interval - time.Since(p.begin)%p.interval
	}
	if reason := p.pause(wait); reason != "" {
		return reason
	}
	p.rounds++
	return ""
}

// again takes a round back, so that it does not count towards MaxRecords, and
// pauses.
func (p *pace) again() (reason string) {
	p.rounds--
	return p.rest()
}

// rest pauses as after an error.
func (p *pace) rest() (reason string) {
	return p.pause(time.Duration(p.stream.spec.RetryMS) * time.Millisecond)
}

// pause waits; a reason to end cuts it short.
func (p *pace) pause(wait time.Duration) (reason string) {
	if !p.end.IsZero() {
		left := time.Until(p.end)
		if left <= 0 {
			return reasonDuration
		}
		if left < wait {
			if p.sleep(left) {
				return reasonStopped
			}
			return reasonDuration
		}
	}
	if p.sleep(wait) {
		return reasonStopped
	}
	return ""
}

// within is how long the stream may wait: at most d, and not past its end. It
// is at least a millisecond, the unit of poll(2).
func (p *pace) within(d time.Duration) time.Duration {
	if !p.end.IsZero() {
		d = min(d, time.Until(p.end))
	}
	return max(d, time.Millisecond)
}

// sleep returns whether the stream was told to end meanwhile.
func (p *pace) sleep(d time.Duration) (quit bool) {
	if d <= 0 {
		select {
		case <-p.stream.quit:
			return true
		default:
			return false
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.stream.quit:
		return true
	case <-timer.C:
		return false
	}
}
