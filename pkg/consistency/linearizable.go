package consistency

import (
	"context"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/nfsim/nfsim/pkg/history"
)

const (
	// searchLimit is the default time limit of the search, per file.
	searchLimit = 10 * time.Second
	// searchOps is the most operations on one file that are searched: the
	// search keeps a bit per operation and step, 50 MB for as many.
	searchOps = 20_000
	// explainOps is the most operations for which the search is asked where
	// it gave up: it keeps a line of operations for each.
	explainOps = 2_000
)

// checkLinearizable: all operations on the file fit on one line, each at a
// moment between its call and its return, so that every read returns the last
// write before it. A single pass looks for a proof that they do not, porcupine
// for one that they do.
func checkLinearizable(ctx context.Context, v *view, t *tally, opts Options) {
	if v.log || len(v.reads) == 0 {
		return
	}
	t.checked += len(v.reads)
	for i := range v.reads {
		if r := &v.reads[i]; r.nonsense {
			v.violateTorn(t, r.op, r.kind)
			return
		}
	}
	if stale := v.surelyStale(); stale != nil {
		t.violate(stale, "file %s: these cannot have happened one after the other: %s", v.name, labels(stale))
		return
	}
	if z := v.zones(); z != nil {
		if conflict := z.conflict(); conflict != nil {
			t.violate(conflict, "file %s: these cannot have happened one after the other: %s", v.name, labels(conflict))
			return
		}
	}
	limit := opts.Linearizable
	if limit <= 0 {
		limit = searchLimit
	}
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(deadline), time.Millisecond))
	}
	ops := v.register()
	if len(ops) > searchOps {
		t.undecided("file %s: %d operations are too many to search (%d)", v.name, len(ops), searchOps)
		return
	}
	switch porcupine.CheckOperationsTimeout(register(), ops, limit) {
	case porcupine.Illegal:
		if len(ops) > explainOps {
			t.violate(nil, "file %s: no order of the %d operations explains what was read", v.name, len(ops))
			return
		}
		witness := v.outside(ops, limit)
		t.violate(witness, "file %s: no order of the operations explains what was read, at the latest from here: %s", v.name, labels(witness))
	case porcupine.Unknown:
		t.undecided("file %s: no answer within %s for %d operations", v.name, limit, len(ops))
	case porcupine.Ok:
	}
}

// surelyStale returns a read that was called when a later version than the one
// that it returned was surely there, with the writes of both; nil when there is
// none. Zones and the search see intervals only: two writes of one lane whose
// wide intervals overlap, as those of writes that were sent at once do, come
// in either order there. The lane itself knows which was first.
func (v *view) surelyStale() []*history.Op {
	d := v.whenPublished()
	for i := range v.reads {
		r := &v.reads[i]
		seen := d.seen(v, r)
		if d.at[seen] >= r.invoke {
			continue
		}
		proof := []*history.Op{v.versions[d.by[seen]].op, r.op}
		if old := v.versions[seen].op; old != nil {
			proof = append([]*history.Op{old}, proof...)
		}
		return proof
	}
	return nil
}

// States of the register besides the indexes of versions.
const (
	stateEmpty  = int32(-1)
	stateAbsent = int32(-2)
)

// step is an operation on the register: a write of a state, or a read.
type step struct {
	op    *history.Op
	write bool
	state int32
}

func register() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int32(initial) },
		Step: func(state, input, _ any) (bool, any) {
			s := input.(*step)
			have := state.(int32)
			if s.write && s.op.Func == history.Create && have != stateAbsent {
				return true, have // there was a file already
			}
			if s.write {
				return true, s.state
			}
			return have == s.state || have == initial && s.state < 0, have
		},
	}
}

// register turns the file's history into operations on a register. Writes
// that may have happened and were never read are left out: they can always
// have happened last.
func (v *view) register() []porcupine.Operation {
	wasRead := make([]bool, len(v.versions))
	for i := range v.reads {
		if seen := v.reads[i].version; seen >= 0 {
			wasRead[seen] = true
		}
	}
	ops := make([]porcupine.Operation, 0, len(v.versions)+len(v.reads))
	add := func(client int32, s *step) {
		invoke, ret := s.op.Wide()
		if s.write && s.op.Result != history.OK {
			ret = history.Forever
		}
		ops = append(ops, porcupine.Operation{ClientId: int(client), Input: s, Call: invoke, Return: ret})
	}
	for i := range v.versions {
		ver := &v.versions[i]
		state := v.stateOf(int32(i))
		if ver.op == nil || ver.moment || ver.weak && state > initial && !wasRead[i] {
			continue
		}
		add(ver.lane, &step{op: ver.op, write: true, state: state})
	}
	for i := range v.reads {
		r := &v.reads[i]
		state := r.version
		switch r.kind {
		case history.KindEmpty:
			state = stateEmpty
		case history.KindAbsent:
			state = stateAbsent
		}
		add(r.lane, &step{op: r.op, state: state})
	}
	return ops
}

// stateOf returns the state of the register that a version is.
func (v *view) stateOf(i int32) int32 {
	op := v.versions[i].op
	switch {
	case op == nil:
		return initial
	case op.Func == history.Unlink:
		return stateAbsent
	case op.Func == history.Truncate, op.Func == history.Open, op.Func == history.Create:
		return stateEmpty
	default:
		return i
	}
}

// outside returns the first operation that the longest explanation leaves out,
// after the last one that it explains.
func (v *view) outside(ops []porcupine.Operation, limit time.Duration) []*history.Op {
	_, info := porcupine.CheckOperationsVerbose(register(), ops, limit)
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, line := range partition {
			if len(line) > len(longest) {
				longest = line
			}
		}
	}
	explained := make(map[*step]bool, len(longest))
	var last *history.Op
	for _, op := range longest {
		s := op.Input.(*step)
		explained[s], last = true, s.op
	}
	for _, op := range ops {
		if s := op.Input.(*step); !explained[s] && !s.write {
			return distinct(last, s.op)
		}
	}
	return distinct(last)
}
