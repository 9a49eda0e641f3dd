package consistency

import (
	"context"
	"strings"

	"github.com/nfsim/nfsim/pkg/history"
)

// checkUntorn: every read, and the disk at the end, shows one whole version
// that somebody wrote. The witness holds the writes that a torn read mixes.
func checkUntorn(_ context.Context, v *view, t *tally, _ Options) {
	for i := range v.reads {
		r := &v.reads[i]
		t.checked++
		if r.nonsense {
			v.violateTorn(t, r.op, r.kind)
		}
	}
	for _, op := range v.truths {
		t.checked++
		if kind, ok := v.known(op); !ok && (kind != history.KindPartial || !v.cutShort(op)) {
			v.violateTorn(t, op, kind)
		}
	}
}

// known reports whether a truth is a version, or record, that somebody wrote.
func (v *view) known(op *history.Op) (kind string, ok bool) {
	kind = op.Kind
	if kind == "" {
		kind = history.KindToken
	}
	switch kind {
	case history.KindToken:
		_, ok = v.token[op.Value]
	case history.KindEmpty, history.KindAbsent:
		ok = true
	}
	return kind, ok
}

func (v *view) violateTorn(t *tally, op *history.Op, kind string) {
	if t.violated > 0 {
		t.violate(nil, "")
		return
	}
	var witness []*history.Op
	if kind == history.KindTorn {
		for token := range strings.SplitSeq(op.Value, ",") {
			if i, ok := v.token[strings.TrimSpace(token)]; ok && len(witness) < 2 {
				witness = append(witness, v.versions[i].op)
			}
		}
	}
	witness = append(witness, op)
	if kind == history.KindToken {
		t.violate(witness, "file %s: %s of %s shows %q, which nobody wrote", v.name, op.Func, op.Client, op.Value)
		return
	}
	t.violate(witness, "file %s: %s of %s shows %s %q", v.name, op.Func, op.Client, kind, op.Value)
}
