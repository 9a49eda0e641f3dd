package consistency

import (
	"context"

	"github.com/nfsim/nfsim/pkg/history"
)

// checkStaleness measures, for each stale read, the time from the moment when
// a newer version was on the server to the read's invocation. Whether a read
// is stale rests on the wide intervals, how stale on the mapped ones. Without
// a bound it holds when every reader became fresh in the end, and is unknown
// when one was still stale, longer than any other had been, at its last read.
func checkStaleness(_ context.Context, v *view, t *tally, opts Options) {
	if v.log {
		return
	}
	t.unit = "ms"
	d := v.whenPublished()
	stale := make([]float64, len(v.lanes)) // of the last read of each lane, ms
	for i := range v.reads {
		r := &v.reads[i]
		if r.nonsense {
			continue
		}
		t.checked++
		seen := d.seen(v, r)
		stale[r.lane] = 0
		if d.at[seen] >= r.invoke {
			continue
		}
		newer := &v.versions[d.by[seen]]
		ms := float64(r.op.Invoke-mappedReturn(newer.flush)) / 1e6
		t.samples = append(t.samples, ms)
		t.errNS = max(t.errNS, r.op.ErrNS+newer.flush.ErrNS)
		stale[r.lane] = ms
		if surely := r.invoke - d.at[seen]; opts.Bound > 0 && surely > opts.Bound.Nanoseconds() {
			t.violate([]*history.Op{v.versions[seen].op, newer.op, r.op}, "file %s: %s read %s, %s after the %s was on the server; the bound is %s",
				v.name, r.op.Client, what(r), span(surely), label(newer.op), opts.Bound)
		}
	}
	for _, ms := range stale {
		t.open = max(t.open, ms)
	}
}

// mappedReturn is the mapped return of op in ns, or the outer one if the
// client's own was not recorded.
func mappedReturn(op *history.Op) int64 {
	if op.Return == 0 {
		return op.OuterReturn
	}
	return op.Return
}
