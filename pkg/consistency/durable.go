package consistency

import (
	"context"

	"github.com/nfsim/nfsim/pkg/history"
)

// checkDurable: what the disk shows at the end is not surely older than any
// version that was acknowledged: by a stable write, an fsync or a close that
// returned without an error. For logs it asks for every acknowledged record.
func checkDurable(_ context.Context, v *view, t *tally, _ Options) {
	acked := v.acked()
	if len(acked) == 0 {
		return
	}
	if len(v.truths) == 0 {
		t.undecided("file %s: %d acknowledged writes, and nobody looked at the disk at the end", v.name, len(acked))
		return
	}
	t.checked += len(acked)
	if v.log {
		v.lostRecords(t, acked)
		return
	}
	truth := v.truths[len(v.truths)-1]
	d := v.whenPublished()
	_, seenAt := truth.Wide()
	kind, ok := v.known(truth)
	var seen int32
	switch {
	case ok && kind == history.KindToken:
		seen = v.token[truth.Value]
	case ok:
		seen = d.longest(v, kind, seenAt)
	case v.doubtful():
		t.undecided("file %s: the disk shows %s %q, and a write without an answer may be why", v.name, kind, truth.Value)
		return
	default:
		last := v.versions[acked[len(acked)-1]]
		t.violate(distinct(last.op, last.flush, truth), "file %s: the %s was acknowledged, and the disk shows %s %q",
			v.name, label(last.op), kind, truth.Value)
		return
	}
	if d.by[seen] == noVersion {
		return
	}
	lost := v.versions[d.by[seen]]
	t.violate(distinct(lost.op, lost.flush, truth), "file %s: the %s was acknowledged, and the disk shows the older %s %q",
		v.name, label(lost.op), kind, truth.Value)
}

// acked returns the versions, with a token, that were acknowledged.
func (v *view) acked() []int32 {
	var list []int32
	for i := range v.versions {
		if ver := &v.versions[i]; ver.op != nil && !ver.weak && ver.pub != history.Forever {
			list = append(list, int32(i))
		}
	}
	return list
}

// doubtful reports whether some write may or may not have reached the disk.
func (v *view) doubtful() bool {
	for i := range v.versions {
		if ver := &v.versions[i]; ver.op != nil && ver.pub == history.Forever {
			return true
		}
	}
	return false
}

func (v *view) lostRecords(t *tally, acked []int32) {
	there := make(map[string]bool, len(v.truths))
	for _, op := range v.truths {
		if op.Value != "" && (op.Kind == "" || op.Kind == history.KindToken) {
			there[op.Value] = true
		}
	}
	for _, i := range acked {
		ver := &v.versions[i]
		if ver.op.Func == history.Append && !there[ver.op.Value] {
			t.violate(distinct(ver.op, ver.flush), "file %s: the %s was acknowledged, and is not in the log", v.name, label(ver.op))
		}
	}
}

// distinct drops nil operations and repetitions.
func distinct(ops ...*history.Op) []*history.Op {
	var list []*history.Op
	for _, op := range ops {
		if op != nil && (len(list) == 0 || list[len(list)-1] != op) {
			list = append(list, op)
		}
	}
	return list
}
