package executor

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// changes tells a poller's rounds that saw something new from those that saw
// the same as before.
type changes struct {
	last string // what the rounds of run saw
	run  *proto.Run
}

// differs counts a round. If it saw something else than the round before it
// returns true, with the rounds that saw the old in ev.Prev.
func (c *changes) differs(ev *proto.Event) bool {
	now := sight(*ev)
	if c.run != nil && now == c.last {
		c.run.Count++
		c.run.LastT0, c.run.LastT1 = ev.T0, ev.T1
		return false
	}
	ev.Prev = c.run
	c.last = now
	c.run = &proto.Run{Count: 1, FirstT0: ev.T0, FirstT1: ev.T1, LastT0: ev.T0, LastT1: ev.T1}
	return true
}

// sight is what a round saw, without when.
func sight(ev proto.Event) string {
	s := fmt.Sprintf("%s %s %d %s %d %d %s %d", ev.Errno, ev.Call, ev.Bytes, ev.Client, ev.Seq, ev.Count, ev.Gap, ev.Offset)
	if ev.Stat != nil {
		s += fmt.Sprintf(" %+v", *ev.Stat)
	}
	if ev.Value != nil {
		s += fmt.Sprintf(" %+v", *ev.Value)
	}
	if ev.Found != nil {
		s += fmt.Sprintf(" %t", *ev.Found)
	}
	return s
}
