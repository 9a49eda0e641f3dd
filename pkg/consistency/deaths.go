package consistency

import (
	"sort"

	"github.com/nfsim/nfsim/pkg/history"
)

// deaths says for every version when the first version that surely came after
// it had reached a certain state: the moment from which the older one should
// not be seen any more.
type deaths struct {
	at []int64 // ns, wide; Forever if there is no such version
	by []int32 // the version that came after it, noVersion if there is none

	prefix map[string][]int32 // see longest
}

// whenClosed is the deaths of versions by others that were closed.
func (v *view) whenClosed() *deaths {
	if v.closed == nil {
		v.closed = v.deathsBy(func(x *version) int64 { return x.closed })
	}
	return v.closed
}

// whenPublished is the deaths of versions by others that were on the server.
func (v *view) whenPublished() *deaths {
	if v.published == nil {
		v.published = v.deathsBy(func(x *version) int64 { return x.pub })
	}
	return v.published
}

func (v *view) deathsBy(state func(*version) int64) *deaths {
	n := len(v.versions)
	d := &deaths{at: make([]int64, n), by: make([]int32, n)}
	when := func(i int32) int64 {
		if i == noVersion || v.versions[i].weak {
			return history.Forever
		}
		return state(&v.versions[i])
	}
	earlier := func(i, best int32) int32 {
		if when(i) < when(best) {
			return i
		}
		return best
	}
	// first[k] is the earliest to reach the state among byInvoke[k:].
	first := make([]int32, n+1)
	first[n] = noVersion
	for k := n - 1; k >= 0; k-- {
		first[k] = earlier(v.byInvoke[k], first[k+1])
	}
	for i := range v.versions {
		pub := v.versions[i].pub
		k := sort.Search(n, func(k int) bool { return v.versions[v.byInvoke[k]].invoke > pub })
		d.by[i] = first[k]
	}
	for _, lane := range v.lanes {
		best := noVersion
		for k := len(lane) - 1; k >= 0; k-- {
			d.by[lane[k]] = earlier(best, d.by[lane[k]])
			best = earlier(lane[k], best)
		}
	}
	for i, by := range d.by {
		d.at[i] = when(by)
	}
	return d
}

// longest returns, of the versions that read as kind (EMPTY or ENOENT) and were
// invoked no later than the time given, the one that lives longest.
func (d *deaths) longest(v *view, kind string, latest int64) int32 {
	list := v.kinds[kind]
	best, ok := d.prefix[kind]
	if !ok {
		best = make([]int32, len(list))
		for k, i := range list {
			best[k] = i
			if k > 0 && d.at[best[k-1]] >= d.at[i] {
				best[k] = best[k-1]
			}
		}
		if d.prefix == nil {
			d.prefix = make(map[string][]int32)
		}
		d.prefix[kind] = best
	}
	k := sort.Search(len(list), func(k int) bool { return v.versions[list[k]].invoke > latest })
	return best[k-1] // the initial version is invoked before all times
}

// seen returns the version that the read may be said to have returned, in its
// favour when there are several, and noVersion when it is none.
func (d *deaths) seen(v *view, r *read) int32 {
	if r.version == manyKinds {
		return d.longest(v, r.kind, r.ret)
	}
	return r.version
}
