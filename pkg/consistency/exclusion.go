package consistency

import (
	"cmp"
	"context"
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
)

// holding is the time for which a lane surely believed that it held a lock:
// from the answer to its lock call to its unlock call.
type holding struct {
	op         *history.Op // the lock call
	lane       laneKey
	shared     bool
	start, end int64 // ns, wide intervals taken inwards
	from, to   int64 // ns, mapped
}

// lockRange is what a lock call locks. Ranges that are not equal are judged
// apart, so that two that overlap in part are never reported.
type lockRange struct{ offset, size int64 }

// checkExclusion: no two lanes held one lock at one time, unless both shared
// it. A lock that is never given back is held until the last thing that its
// lane did. The figure is how long two held it at once, in s.
func checkExclusion(_ context.Context, v *view, t *tally, _ Options) {
	for _, list := range v.holdings() {
		t.unit = "s"
		t.checked += len(list)
		slices.SortStableFunc(list, func(a, b holding) int { return cmp.Compare(a.start, b.start) })
		overlaps(v, t, list)
	}
}

func (v *view) holdings() map[lockRange][]holding {
	type owner struct {
		lane  laneKey
		where lockRange
	}
	held := make(map[owner]holding)
	last := make(map[laneKey]*history.Op)
	ranges := make(map[lockRange][]holding)
	release := func(o owner, at *history.Op) {
		h, ok := held[o]
		if !ok {
			return
		}
		delete(held, o)
		h.end, _ = at.Wide()
		h.to = at.Invoke
		ranges[o.where] = append(ranges[o.where], h)
	}
	for _, op := range v.ops {
		lane := laneKey{op.Client, op.Lane}
		o := owner{lane, lockRange{op.Offset, op.Size}}
		switch op.Func {
		case history.Lock:
			if op.Result != history.OK {
				break
			}
			release(o, op) // a second lock call of the lane converts the first
			h := holding{op: op, lane: lane, shared: op.Mode == history.ModeShared, from: mappedReturn(op)}
			_, h.start = op.Wide()
			held[o] = h
		case history.Unlock:
			release(o, op)
		case history.Close: // gives back all locks of the lane on the file
			for other := range held {
				if other.lane == lane {
					release(other, op)
				}
			}
		}
		if op.Result == history.OK {
			last[lane] = op
		}
	}
	for o, h := range held {
		if at := last[o.lane]; at != h.op {
			release(o, at)
		}
	}
	return ranges
}

// overlaps finds pairs that held one lock at once, in one pass over holdings
// sorted by start: of those before, only the ones that end last can matter,
// one of the same lane and one of another, exclusive ones apart from shared.
func overlaps(v *view, t *tally, list []holding) {
	var exclusive, all lastTwo
	for i := range list {
		h := &list[i]
		earlier := all.other(h.lane)
		if h.shared {
			earlier = exclusive.other(h.lane)
		}
		if earlier != nil && earlier.end > h.start && h.end > h.start {
			until := min(earlier.to, h.to)
			t.samples = append(t.samples, float64(max(until-h.from, 0))/1e9)
			t.errNS = max(t.errNS, earlier.op.ErrNS+h.op.ErrNS)
			t.violate([]*history.Op{earlier.op, h.op}, "file %s: %s was given the lock %s before %s gave it back",
				v.name, h.op.Session(), span(earlier.end-h.start), earlier.op.Session())
		}
		all.add(h)
		if !h.shared {
			exclusive.add(h)
		}
	}
}

// lastTwo keeps the holding that ends last, and the one that ends last among
// those of other lanes.
type lastTwo struct{ first, second *holding }

func (l *lastTwo) add(h *holding) {
	switch {
	case l.first == nil || l.first.lane == h.lane:
		if l.first == nil || h.end > l.first.end {
			l.first = h
		}
	case h.end > l.first.end:
		l.first, l.second = h, l.first
	case l.second == nil || h.end > l.second.end:
		l.second = h
	}
}

func (l *lastTwo) other(lane laneKey) *holding {
	if l.first != nil && l.first.lane != lane {
		return l.first
	}
	return l.second
}
