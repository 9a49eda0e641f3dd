package history

import (
	"fmt"
	"slices"
)

// Problem is something that makes a history unfit to be judged: a fault of the
// recording, never of what was recorded.
type Problem struct {
	Op   int    // index of the operation
	Text string // what is wrong with it
}

// String returns the problem with its operation's index.
func (p Problem) String() string { return fmt.Sprintf("operation %d: %s", p.Op, p.Text) }

// Validate checks what every judge assumes: known words, times in order, one
// operation at a time on each lane, and no token written twice to one file,
// except records that are appended again after an attempt without success.
// It returns at most 100 problems.
func Validate(ops []Op) []Problem {
	v := validator{ops: ops, tokens: make(map[[2]string]int)}
	for i := range ops {
		v.words(i)
		v.times(i)
		v.token(i)
	}
	v.lanes()
	return v.problems
}

const maxProblems = 100

type validator struct {
	ops      []Op
	tokens   map[[2]string]int // file and token -> operation that wrote it
	problems []Problem
}

func (v *validator) add(i int, format string, args ...any) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, Problem{Op: i, Text: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) words(i int) {
	op := &v.ops[i]
	if op.Client == "" {
		v.add(i, "no client")
	}
	if !slices.Contains([]string{OK, Fail, Unknown}, op.Result) {
		v.add(i, "unknown result %q", op.Result)
	}
	switch op.Func {
	case Open, Read, Write, Append, Fsync, Close, Truncate, Stat, Readdir, Create, Unlink, Rename, Lock, Unlock, Truth:
	default:
		v.add(i, "unknown function %q", op.Func)
	}
}

func (v *validator) times(i int) {
	op := &v.ops[i]
	switch {
	case op.Invoke < 0 || op.Return < 0 || op.OuterInvoke < 0 || op.OuterReturn < 0 || op.ErrNS < 0:
		v.add(i, "negative time")
	case op.Invoke == Forever || op.Return == Forever || op.ErrNS > maxErrNS:
		v.add(i, "time out of range")
	case op.Return != 0 && op.Return < op.Invoke:
		v.add(i, "returned %d ns before it was invoked", op.Invoke-op.Return)
	case op.OuterReturn != 0 && op.OuterReturn < op.OuterInvoke:
		v.add(i, "answered %d ns before it was sent", op.OuterInvoke-op.OuterReturn)
	case op.OuterInvoke != 0 && op.Invoke+op.ErrNS < op.OuterInvoke:
		v.add(i, "invoked %d ns before it was sent: the clock map is wrong by more than its bound", op.OuterInvoke-op.Invoke)
	case op.OuterReturn != 0 && op.Return != 0 && op.Return-op.ErrNS > op.OuterReturn:
		v.add(i, "returned %d ns after its answer came: the clock map is wrong by more than its bound", op.Return-op.OuterReturn)
	case op.Return == 0 && op.OuterReturn == 0 && op.Result == OK:
		v.add(i, "ok without a return time")
	}
}

// maxErrNS is an hour: a clock map as bad as that is none.
const maxErrNS = 3_600_000_000_000

func (v *validator) token(i int) {
	op := &v.ops[i]
	if op.Func != Write && op.Func != Append && op.Func != Rename || op.Value == "" {
		return
	}
	key := [2]string{op.File, op.Value}
	if first, ok := v.tokens[key]; ok && (op.Func != Append || v.ops[first].Result == OK) {
		v.add(i, "token %q was written to %q before, by operation %d", op.Value, op.File, first)
		return
	}
	v.tokens[key] = i
}

// lanes finds operations of one lane that overlap by more than both their
// error bounds.
func (v *validator) lanes() {
	type lane struct{ client, lane string }
	byLane := make(map[lane][]int)
	for i := range v.ops {
		if op := &v.ops[i]; op.Func != Truth {
			key := lane{op.Client, op.Lane}
			byLane[key] = append(byLane[key], i)
		}
	}
	for _, list := range byLane {
		slices.SortStableFunc(list, func(a, b int) int {
			x, y := &v.ops[a], &v.ops[b]
			if x.Invoke != y.Invoke {
				return int(min(max(x.Invoke-y.Invoke, -1), 1))
			}
			return int(min(max(x.Return-y.Return, -1), 1))
		})
		for k := 1; k < len(list); k++ {
			prev, op := &v.ops[list[k-1]], &v.ops[list[k]]
			if prev.Return != 0 && op.Invoke+op.ErrNS < prev.Return-prev.ErrNS {
				v.add(list[k], "overlaps operation %d of the same lane %q", list[k-1], op.Session())
			}
		}
	}
	slices.SortStableFunc(v.problems, func(a, b Problem) int { return a.Op - b.Op })
}
