package consistency

import (
	"context"

	"github.com/nfsim/nfsim/pkg/history"
)

// checkMonotonicReads: what a lane reads is never surely older than what it
// had read before. EMPTY and ENOENT are left out where several versions read
// so.
func checkMonotonicReads(_ context.Context, v *view, t *tally, _ Options) {
	if v.log {
		return
	}
	type newest struct {
		latest *read           // the one whose version was invoked last
		perSeq map[int32]*read // per writing lane, the one with the highest seq
	}
	lanes := make([]newest, len(v.lanes))
	for i := range v.reads {
		r := &v.reads[i]
		if r.nonsense || r.version < 0 {
			continue
		}
		t.checked++
		have := &lanes[r.lane]
		ver := &v.versions[r.version]
		earlier := have.perSeq[ver.lane]
		if earlier == nil || !v.before(r.version, earlier.version) {
			earlier = have.latest
		}
		if earlier != nil && v.before(r.version, earlier.version) {
			t.violate([]*history.Op{ver.op, earlier.op, r.op}, "file %s: %s read %s, and %s later %s again, which is older",
				v.name, r.op.Client, what(earlier), span(r.op.Invoke-mappedReturn(earlier.op)), what(r))
			continue
		}
		if have.latest == nil || ver.invoke > v.versions[have.latest.version].invoke {
			have.latest = r
		}
		if have.perSeq == nil {
			have.perSeq = make(map[int32]*read)
		}
		if last := have.perSeq[ver.lane]; last == nil || ver.seq > v.versions[last.version].seq {
			have.perSeq[ver.lane] = r
		}
	}
}

// checkReadYourWrites: what a lane reads is never surely older than what it
// had written itself.
func checkReadYourWrites(_ context.Context, v *view, t *tally, _ Options) {
	if v.log {
		return
	}
	for i := range v.reads {
		r := &v.reads[i]
		if r.nonsense || r.version < 0 || r.lastOwn == noVersion {
			continue
		}
		t.checked++
		if v.before(r.version, r.lastOwn) {
			own := v.versions[r.lastOwn].op
			t.violate([]*history.Op{v.versions[r.version].op, own, r.op}, "file %s: %s wrote %q and read %s %s later, which is older",
				v.name, r.op.Client, own.Value, what(r), span(r.op.Invoke-mappedReturn(own)))
		}
	}
}
