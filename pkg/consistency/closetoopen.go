package consistency

import (
	"context"

	"github.com/nfsim/nfsim/pkg/history"
)

// checkCloseToOpen: a read through an open may return any version that was
// current at or after the last close that returned before the open was called,
// the opener's own writes, and the values of writers that are in flight. So a
// violation is a version that was surely replaced by one whose close had
// returned before the open.
func checkCloseToOpen(_ context.Context, v *view, t *tally, _ Options) {
	if v.log {
		return
	}
	d := v.whenClosed()
	for i := range v.reads {
		r := &v.reads[i]
		if !r.hasOpen || r.nonsense {
			continue
		}
		t.checked++
		seen := d.seen(v, r)
		ver := &v.versions[seen]
		if ver.invoke > r.ret {
			t.violate([]*history.Op{r.op, ver.op}, "file %s: %s read %q %s before it was written",
				v.name, r.op.Client, r.op.Value, span(ver.invoke-r.ret))
			continue
		}
		if d.at[seen] < r.opened {
			newer := &v.versions[d.by[seen]]
			t.violate([]*history.Op{ver.op, newer.op, r.op}, "file %s: %s opened it %s after the close that followed the %s, and still read %s",
				v.name, r.op.Client, span(r.opened-d.at[seen]), label(newer.op), what(r))
		}
	}
}

// what names what a read returned, for a person.
func what(r *read) string {
	if r.kind == history.KindToken {
		return `"` + r.op.Value + `"`
	}
	return r.kind
}
