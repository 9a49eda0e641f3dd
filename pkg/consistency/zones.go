package consistency

import (
	"cmp"
	"math"
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
)

// zone is the time in which a version must have been the current one: from the
// first return of an operation on it to the last call of one (forward), or, if
// all of its operations overlap, somewhere between the last call and the first
// return (backward). A history of unique values is linearizable exactly if no
// read returns before its write is called, no two forward zones overlap, and
// no backward zone lies within a forward one (Gibbons and Korach, Testing
// Shared Memories, SIAM J. Comput. 26(4), 1997, section 4).
type zone struct {
	firstReturn, lastCall int64       // ns, wide
	returned, called      *history.Op // the operations with those
}

func (z *zone) forward() bool { return z.firstReturn < z.lastCall }

// zoneList is a zone for each version that counts.
type zoneList struct {
	zones  []zone
	future []*history.Op // a read that returned before its write was called, and that write
}

// zones returns nil when values are not unique: when a file was emptied or
// removed on purpose, EMPTY and ENOENT mean several versions.
func (v *view) zones() *zoneList {
	all := make([]zone, len(v.versions))
	skip := make([]bool, len(v.versions))
	for i := range v.versions {
		ver := &v.versions[i]
		if ver.op == nil {
			all[i] = zone{firstReturn: math.MinInt64, lastCall: math.MinInt64}
			continue
		}
		if v.stateOf(int32(i)) < 0 {
			return nil
		}
		_, ret := ver.op.Wide()
		if ver.weak {
			skip[i], ret = true, history.Forever
		}
		all[i] = zone{firstReturn: ret, lastCall: ver.invoke, returned: ver.op, called: ver.op}
	}
	list := &zoneList{}
	for i := range v.reads {
		r := &v.reads[i]
		seen := max(r.version, initial) // EMPTY and ENOENT are the initial version here
		if ver := &v.versions[seen]; ver.invoke > r.ret && list.future == nil {
			list.future = []*history.Op{r.op, ver.op}
		}
		skip[seen] = false
		z := &all[seen]
		if r.ret < z.firstReturn {
			z.firstReturn, z.returned = r.ret, r.op
		}
		if r.invoke > z.lastCall {
			z.lastCall, z.called = r.invoke, r.op
		}
	}
	for i := range all {
		if !skip[i] {
			list.zones = append(list.zones, all[i])
		}
	}
	return list
}

// conflict returns operations that cannot be put on one line, nil if all can.
func (l *zoneList) conflict() []*history.Op {
	if l.future != nil {
		return l.future
	}
	var forward, backward []zone
	for _, z := range l.zones {
		if z.forward() {
			forward = append(forward, z)
		} else {
			backward = append(backward, z)
		}
	}
	slices.SortFunc(forward, func(a, b zone) int { return cmp.Compare(a.firstReturn, b.firstReturn) })
	for i := 1; i < len(forward); i++ {
		a, b := &forward[i-1], &forward[i]
		if b.firstReturn < a.lastCall {
			return crossed(a, b)
		}
	}
	// Forward zones are disjoint now: only the last one that begins before a
	// backward zone can hold it.
	for i := range backward {
		b := &backward[i]
		k, _ := slices.BinarySearchFunc(forward, b.lastCall, func(z zone, t int64) int { return cmp.Compare(z.firstReturn, t) })
		if k == 0 {
			continue
		}
		if f := &forward[k-1]; b.firstReturn < f.lastCall {
			return crossed(f, b)
		}
	}
	return nil
}

// crossed returns the proof that two zones overlap: an operation on a returned
// before one on b was called, and one on b before one on a.
func crossed(a, b *zone) []*history.Op {
	if a.returned == nil {
		return distinct(b.returned, a.called)
	}
	_, aReturned := a.returned.Wide()
	if invoke, _ := b.returned.Wide(); aReturned < invoke {
		return distinct(a.returned, b.returned, a.called)
	}
	return distinct(a.returned, b.returned, a.called, b.called)
}
