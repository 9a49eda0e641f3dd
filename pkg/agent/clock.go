package agent

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// Mono returns this machine's CLOCK_MONOTONIC in nanoseconds: the
// controller's clock, that all times of a trial are mapped to.
func Mono() int64 { return mono.Now() }

// ClockSample is one measurement of how the agent's clock stands to the
// controller's. All values are nanoseconds.
type ClockSample struct {
	At      int64 `json:"at"`       // controller's clock, the middle of the exchange
	Offset  int64 `json:"offset"`   // controller's clock minus agent's clock
	ErrorNS int64 `json:"error_ns"` // the offset is within ± this
	RTT     int64 `json:"rtt"`      // shortest round trip less the agent's own time
}

// sample is NTP's calculation with four timestamps (RFC 5905, section 8).
func sample(sent, agentIn, agentOut, received int64) (ClockSample, error) {
	rtt := (received - sent) - (agentOut - agentIn)
	if agentIn <= 0 || agentOut < agentIn || received < sent || rtt < 0 {
		return ClockSample{}, fmt.Errorf("measure clock: times %d, %d, %d, %d are out of order", sent, agentIn, agentOut, received)
	}
	return ClockSample{
		At:      sent + (received-sent)/2,
		Offset:  ((sent - agentIn) + (received - agentOut)) / 2,
		ErrorNS: rtt/2 + 1,
		RTT:     rtt,
	}, nil
}

// Ping measures the agent's clock n times, one after the other. What it returns
// is within the error of the exchange with the smallest round trip, and of what
// all of them say together. ctx bounds the whole.
func (c *Client) Ping(ctx context.Context, n int) (ClockSample, error) {
	if n < 1 {
		return ClockSample{}, errors.New("measure clock: want at least one exchange")
	}
	var all exchanges
	for range n {
		sent, resp, received, err := c.exchange(ctx, proto.Request{Op: proto.OpMono}, nil)
		if err != nil {
			return ClockSample{}, fmt.Errorf("measure clock of %s: %w", c.name, err)
		}
		if err := all.add(sent, resp.T0, resp.T1, received); err != nil {
			return ClockSample{}, fmt.Errorf("agent of %s: %w", c.name, err)
		}
	}
	return all.sample(), nil
}

// exchanges are several measurements of one clock, close to each other. A way
// there bounds the offset from below, a way back from above, and the fastest of
// either are seldom those of one exchange. All values are nanoseconds.
type exchanges struct {
	best        ClockSample // with the smallest round trip
	least, most int64       // bounds of the offset
	first, last int64       // controller's clock: when they began and ended
}

func (x *exchanges) add(sent, agentIn, agentOut, received int64) error {
	s, err := sample(sent, agentIn, agentOut, received)
	if err != nil {
		return err
	}
	if x.first == 0 {
		*x = exchanges{best: s, least: sent - agentIn, most: received - agentOut, first: sent, last: received}
		return nil
	}
	if s.RTT < x.best.RTT {
		x.best = s
	}
	x.least, x.most, x.last = max(x.least, sent-agentIn), min(x.most, received-agentOut), received
	return nil
}

// sample is what the exchanges say together, for the time of the best of them.
// The clocks may part while they go on.
func (x *exchanges) sample() ClockSample {
	s := x.best
	drift := int64(math.Ceil(float64(x.last-x.first) * maxDrift))
	if width := x.most - x.least; width >= 0 && width/2+1+drift < s.ErrorNS {
		s.Offset, s.ErrorNS = x.least+width/2, width/2+1+drift
	}
	return s
}
