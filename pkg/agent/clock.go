package agent

import (
	"context"
	"errors"
	"fmt"

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
	ErrorNS int64 `json:"error_ns"` // the offset is within ± this: half of RTT
	RTT     int64 `json:"rtt"`      // round trip less the agent's own time
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

// Ping measures the agent's clock n times, one after the other, and returns
// the sample with the smallest round trip. ctx bounds the whole.
func (c *Client) Ping(ctx context.Context, n int) (ClockSample, error) {
	var best ClockSample
	if n < 1 {
		return best, errors.New("measure clock: want at least one exchange")
	}
	for i := range n {
		sent, resp, received, err := c.exchange(ctx, proto.Request{Op: proto.OpMono}, nil)
		if err != nil {
			return best, fmt.Errorf("measure clock of %s: %w", c.name, err)
		}
		s, err := sample(sent, resp.T0, resp.T1, received)
		if err != nil {
			return best, fmt.Errorf("agent of %s: %w", c.name, err)
		}
		if i == 0 || s.RTT < best.RTT {
			best = s
		}
	}
	return best, nil
}
