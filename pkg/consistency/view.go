package consistency

import (
	"cmp"
	"math"
	"slices"

	"github.com/nfsim/nfsim/pkg/history"
)

// view is one file's history, made ready for the models.
type view struct {
	name     string
	ops      []*history.Op // by mapped invocation
	log      bool          // the file has appends: a log, not a register
	versions []version     // in the order of ops; versions[initial] is what was there before
	byInvoke []int32       // indexes of versions, by wide invocation
	lanes    [][]int32     // indexes of versions per lane, in program order
	token    map[string]int32
	kinds    map[string][]int32 // EMPTY and ENOENT: versions that read so, by wide invocation
	reads    []read             // in the order of ops
	truths   []*history.Op      // by Seq
	twice    string             // a token that was written twice: the file cannot be judged
	retried  map[string]bool    // records that were appended again after an attempt without success

	closed, published *deaths // computed when first asked for
}

// initial is the index of the version that was there before the history.
const initial = 0

const (
	noVersion = int32(-1) // read of something that is no version
	manyKinds = int32(-2) // read of EMPTY or ENOENT with several candidates
)

// version is one state of a register file.
type version struct {
	op     *history.Op // the write; nil for the initial version
	flush  *history.Op // the operation that made it public: itself, an fsync or a close; nil if none did
	weak   bool        // may have happened, or be a moment of a write: it replaces nothing for sure
	moment bool        // the empty file that a write which truncates leaves for a moment
	lane   int32       // -1 for the initial version
	seq    int32       // place in the lane
	invoke int64       // ns, wide
	pub    int64       // ns, wide: when it was surely on the server; Forever if never for sure
	closed int64       // ns, wide: when the close that followed it returned; Forever if none did
}

// read is one look at a register file that returned.
type read struct {
	op       *history.Op
	invoke   int64 // ns, wide
	ret      int64 // ns, wide
	opened   int64 // ns, wide invocation of the open it read through; only if hasOpen
	hasOpen  bool
	lane     int32
	version  int32  // index, noVersion or manyKinds
	kind     string // EMPTY or ENOENT when version is manyKinds
	lastOwn  int32  // last version that the lane itself had written, noVersion if none
	nonsense bool   // torn, or a token that nobody wrote
}

// split groups a history by file. Views are built one at a time, so that the
// working memory is that of the largest file.
func split(ops []history.Op) ([]string, map[string][]*history.Op) {
	counts := make(map[string]int)
	for i := range ops {
		counts[ops[i].File]++
	}
	files := make(map[string][]*history.Op, len(counts))
	var names []string
	for i := range ops {
		name := ops[i].File
		list, ok := files[name]
		if !ok {
			list = make([]*history.Op, 0, counts[name])
			names = append(names, name)
		}
		files[name] = append(list, &ops[i])
	}
	slices.Sort(names)
	return names, files
}

// laneState is what a lane has done to a file so far.
type laneState struct {
	id      int32
	open    *history.Op // the last open, nil if none
	pending []int32     // versions that no close has followed yet
	last    int32       // last version written for sure
}

type laneKey struct{ client, lane string }

func newView(name string, ops []*history.Op) *view {
	v := &view{name: name, ops: ops, token: make(map[string]int32), kinds: make(map[string][]int32), retried: make(map[string]bool)}
	byInvoke := func(a, b *history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) }
	if !slices.IsSortedFunc(ops, byInvoke) {
		slices.SortStableFunc(ops, byInvoke)
	}
	v.versions = append(v.versions, version{weak: true, lane: -1, invoke: math.MinInt64, pub: math.MinInt64, closed: math.MinInt64})
	v.kinds[history.KindEmpty] = []int32{initial}
	v.kinds[history.KindAbsent] = []int32{initial}

	lanes := make(map[laneKey]*laneState)
	for _, op := range ops {
		key := laneKey{op.Client, op.Lane}
		lane := lanes[key]
		if lane == nil {
			lane = &laneState{id: int32(len(v.lanes)), last: noVersion}
			lanes[key] = lane
			v.lanes = append(v.lanes, nil)
		}
		v.add(op, lane)
	}
	v.sortVersions()
	v.resolve()
	slices.SortStableFunc(v.truths, func(a, b *history.Op) int { return cmp.Compare(a.Seq, b.Seq) })
	return v
}

func (v *view) add(op *history.Op, lane *laneState) {
	switch op.Func {
	case history.Open:
		if op.Mode == history.ModeTrunc && op.Result != history.Fail {
			v.addVersion(op, lane, history.KindEmpty, op.Result != history.OK)
		}
		if op.Result == history.OK {
			lane.open = op
		}
	case history.Append:
		v.log = true
		v.addWrite(op, lane)
	case history.Write, history.Rename:
		v.addWrite(op, lane)
	case history.Truncate:
		if op.Size == 0 && op.Result != history.Fail {
			v.addVersion(op, lane, history.KindEmpty, op.Result != history.OK)
		}
	case history.Create:
		if op.Result != history.Fail {
			v.addVersion(op, lane, history.KindEmpty, true)
		}
	case history.Unlink:
		if op.Result != history.Fail {
			v.addVersion(op, lane, history.KindAbsent, op.Result != history.OK)
		}
	case history.Fsync, history.Close:
		v.flush(op, lane)
	case history.Read, history.Stat:
		v.addRead(op, lane)
	case history.Truth:
		v.truths = append(v.truths, op)
	}
}

// whole reports whether the operation opens and closes the file itself.
func whole(op *history.Op) bool {
	return op.Mode == history.ModeClose || op.Mode == history.ModeReopen || op.Mode == history.ModeLookup || op.Mode == history.ModeLocked
}

func (v *view) addWrite(op *history.Op, lane *laneState) {
	if op.Func == history.Write && whole(op) {
		i := v.addVersion(op, lane, history.KindEmpty, true)
		v.versions[i].moment = true
	}
	if op.Value == "" {
		return
	}
	if i, ok := v.token[op.Value]; ok {
		if op.Func != history.Append || !v.versions[i].weak {
			v.twice = op.Value
			return
		}
		v.retried[op.Value] = true
	}
	// A failed write may have reached the server all the same: whoever says
	// "fail" for an error of the wire is not believed.
	v.token[op.Value] = v.addVersion(op, lane, "", op.Result != history.OK)
}

// addVersion adds a version that op makes. kind is EMPTY or ENOENT for one
// without a token.
func (v *view) addVersion(op *history.Op, lane *laneState, kind string, weak bool) int32 {
	i := int32(len(v.versions))
	invoke, ret := op.Wide()
	ver := version{op: op, weak: weak, lane: lane.id, seq: int32(len(v.lanes[lane.id])), invoke: invoke, pub: history.Forever, closed: history.Forever}
	if op.Result == history.OK {
		switch {
		case op.Func == history.Rename, op.Func == history.Unlink, whole(op):
			ver.pub, ver.closed, ver.flush = ret, ret, op
		case op.Func == history.Truncate, op.Func == history.Open, op.Func == history.Create,
			op.Mode == history.ModeFsync, op.Mode == history.ModeOSync, op.Mode == history.ModeDirect:
			ver.pub, ver.flush = ret, op
		}
		if ver.closed == history.Forever {
			lane.pending = append(lane.pending, i)
		}
		if !weak {
			lane.last = i
		}
	}
	if weak {
		ver.closed = history.Forever
	}
	v.versions = append(v.versions, ver)
	v.lanes[lane.id] = append(v.lanes[lane.id], i)
	if kind != "" {
		v.kinds[kind] = append(v.kinds[kind], i)
	}
	return i
}

// flush applies an fsync or a close of the lane to its pending versions. One
// that failed leaves them in doubt for good: the kernel reports an error once
// and then forgets the pages.
func (v *view) flush(op *history.Op, lane *laneState) {
	if op.Result == history.OK {
		_, ret := op.Wide()
		for _, i := range lane.pending {
			ver := &v.versions[i]
			if ver.pub == history.Forever {
				ver.pub, ver.flush = ret, op
			}
			if op.Func == history.Close && !ver.weak {
				ver.closed = ret
			}
		}
	}
	if op.Func == history.Close || op.Result != history.OK {
		lane.pending = lane.pending[:0]
	}
	if op.Func == history.Close {
		lane.open = nil
	}
}

func (v *view) addRead(op *history.Op, lane *laneState) {
	kind := op.Kind
	if kind == "" && op.Value != "" {
		kind = history.KindToken
	}
	if op.Errno == history.KindAbsent {
		kind = history.KindAbsent
	} else if op.Result != history.OK {
		return
	}
	if kind == "" {
		return
	}
	r := read{op: op, lane: lane.id, kind: kind, version: noVersion, lastOwn: lane.last}
	r.invoke, r.ret = op.Wide()
	switch {
	case op.Func == history.Stat:
	case whole(op):
		r.opened, r.hasOpen = r.invoke, true
	case lane.open != nil:
		r.opened, _ = lane.open.Wide()
		r.hasOpen = true
	}
	v.reads = append(v.reads, r)
}

func (v *view) sortVersions() {
	v.byInvoke = make([]int32, len(v.versions))
	for i := range v.byInvoke {
		v.byInvoke[i] = int32(i)
	}
	byInvoke := func(a, b int32) int { return cmp.Compare(v.versions[a].invoke, v.versions[b].invoke) }
	slices.SortStableFunc(v.byInvoke, byInvoke)
	for _, list := range v.kinds {
		slices.SortStableFunc(list, byInvoke)
	}
}

// resolve finds the version that each read returned. Writes come after reads
// of them in no order, so it runs when all versions are known.
func (v *view) resolve() {
	for i := range v.reads {
		r := &v.reads[i]
		switch r.kind {
		case history.KindToken:
			if version, ok := v.token[r.op.Value]; ok {
				r.version = version
			} else {
				r.nonsense = true
			}
		case history.KindEmpty, history.KindAbsent:
			r.version = manyKinds
			if len(v.kinds[r.kind]) == 1 {
				r.version = initial
			}
		default:
			r.nonsense = true
		}
	}
}

// before reports whether version a was surely replaced by version b, or by
// one before b: both by one lane in this order, or a was on the server before
// b was invoked.
func (v *view) before(a, b int32) bool {
	x, y := &v.versions[a], &v.versions[b]
	if x.lane == y.lane {
		return x.seq < y.seq
	}
	return x.pub < y.invoke
}
