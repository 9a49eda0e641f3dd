package consistency

import (
	"context"

	"github.com/nfsim/nfsim/pkg/history"
)

// checkAppendLog: the log on disk at the end holds every acknowledged record,
// each once, each whole, and none that nobody appended. A record that its
// writer appended again, because it was not told that the first attempt had
// succeeded, may be there as often as it was tried. The log may end in the
// beginning of a record that was not acknowledged.
func checkAppendLog(_ context.Context, v *view, t *tally, _ Options) {
	if !v.log {
		return
	}
	if len(v.truths) == 0 {
		t.undecided("file %s: nobody looked at the log on disk at the end", v.name)
		return
	}
	acked := v.acked()
	t.checked += len(acked) + len(v.truths)
	v.lostRecords(t, acked)
	first := make(map[string]*history.Op, len(v.truths))
	for _, op := range v.truths {
		kind, ok := v.known(op)
		switch {
		case kind == history.KindPartial && v.cutShort(op):
		case !ok && kind == history.KindToken:
			t.violate([]*history.Op{op}, "file %s: the log holds record %q, which nobody appended", v.name, op.Value)
		case !ok:
			t.violate([]*history.Op{op}, "file %s: record %d of the log is %s %q", v.name, op.Seq, kind, op.Value)
		case kind != history.KindToken:
		case first[op.Value] != nil && v.retried[op.Value]:
		case first[op.Value] != nil:
			t.violate([]*history.Op{v.versions[v.token[op.Value]].op, first[op.Value], op},
				"file %s: the log holds record %q twice, at places %d and %d", v.name, op.Value, first[op.Value].Seq, op.Seq)
		default:
			first[op.Value] = op
		}
	}
}

// cutShort reports whether a truth is the beginning of a record at the log's
// end that may well be there: of an append that nobody was told to have
// succeeded and whose whole record is not in the log.
func (v *view) cutShort(op *history.Op) bool {
	if op != v.truths[len(v.truths)-1] {
		return false
	}
	whole := make(map[string]bool, len(v.truths))
	for _, t := range v.truths {
		whole[t.Value] = true
	}
	for i := range v.versions {
		ver := &v.versions[i]
		if ver.op != nil && ver.op.Func == history.Append && (ver.weak || ver.pub == history.Forever) && !whole[ver.op.Value] {
			return true
		}
	}
	return false
}
