package consistency

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

// validLog makes a log that several clients appended to: some appends got no
// answer, and only some of those are on disk.
func validLog(rng *rand.Rand, n int) []history.Op {
	var ops, truths []history.Op
	for i := range n {
		op := history.Op{
			Client: fmt.Sprintf("c%d", i%3), Lane: "l", Func: history.Append, Mode: history.ModeFsync, File: "log", Value: fmt.Sprintf("r%d", i), Seq: int64(i),
			Invoke: int64(1000 + 100*i), Return: int64(1050 + 100*i), Result: history.OK,
		}
		there := true
		if i%5 == 3 {
			op.Result, op.Return = history.Unknown, 0
			there = rng.IntN(2) == 0
		}
		ops = append(ops, op)
		if there {
			truths = append(truths, history.Op{
				Client: history.ClientDisk, Func: history.Truth, File: "log", Kind: history.KindToken, Value: op.Value,
				Seq: int64(len(truths)), Invoke: 1 << 40, Return: 1<<40 + 1, Result: history.OK,
			})
		}
	}
	return append(ops, truths...)
}

// TestEveryFlipOfALogIsNoticed spoils one record, or one answer, at a time.
func TestEveryFlipOfALogIsNoticed(t *testing.T) {
	t.Parallel()
	valid := validLog(rand.New(rand.NewPCG(5, 5)), 60)
	if r := only(t, valid, AppendLog); r.Verdict != Holds {
		t.Fatalf("the valid log is %s: %s", r.Verdict, r.Words)
	}
	acked, onDisk := map[string]bool{}, map[string]bool{}
	for _, op := range valid {
		acked[op.Value] = acked[op.Value] || op.Func == history.Append && op.Result == history.OK
		onDisk[op.Value] = onDisk[op.Value] || op.Func == history.Truth
	}
	check := func(i int, what string, want Verdict, mutated []history.Op) {
		if r := only(t, mutated, AppendLog); r.Verdict != want || want == Violated && (len(r.Witness) == 0 || len(r.Witness) > 3) {
			t.Errorf("operation %d %s: %s, want %s: %s", i, what, r.Verdict, want, r.Words)
		}
	}
	change := func(i int, what string, want Verdict, f func(op *history.Op)) {
		mutated := slices.Clone(valid)
		f(&mutated[i])
		check(i, what, want, mutated)
	}
	for i, op := range valid {
		lost := Holds // a record that nobody was promised may be missing
		if acked[op.Value] {
			lost = Violated
		}
		switch {
		case op.Func == history.Truth:
			check(i, "lost", lost, slices.Delete(slices.Clone(valid), i, i+1))
			check(i, "twice", Violated, slices.Insert(slices.Clone(valid), i, op))
			change(i, "torn", Violated, func(op *history.Op) { op.Kind = history.KindTorn })
			change(i, "zeroes", Violated, func(op *history.Op) { op.Kind, op.Value = history.KindNUL, "" })
			change(i, "from nowhere", Violated, func(op *history.Op) { op.Value = "nowhere" })
		case op.Result == history.Unknown && !onDisk[op.Value]:
			change(i, "acknowledged after all", Violated, func(op *history.Op) { op.Result, op.Return = history.OK, op.Invoke+50 })
		}
	}
}

// validLocks makes clients that hand one lock on; between two of them a third
// is refused.
func validLocks(n int) []history.Op {
	var ops []history.Op
	for i := range n {
		at := int64(1000 + 100*i)
		client := fmt.Sprintf("c%d", i%3)
		op := history.Op{Client: client, Lane: "l", File: "f", Result: history.OK}
		lock, refused, unlock := op, op, op
		lock.Func, lock.Invoke, lock.Return = history.Lock, at, at+10
		refused.Func, refused.Invoke, refused.Return = history.Lock, at+30, at+40
		refused.Client, refused.Result, refused.Errno = fmt.Sprintf("c%d", (i+1)%3), history.Fail, "EAGAIN"
		unlock.Func, unlock.Invoke, unlock.Return = history.Unlock, at+80, at+90
		ops = append(ops, lock, refused, unlock)
	}
	return ops
}

// TestEveryFlipOfALockIsNoticed lets one lock overlap with another at a time.
func TestEveryFlipOfALockIsNoticed(t *testing.T) {
	t.Parallel()
	valid := validLocks(30)
	if r := only(t, valid, Exclusion); r.Verdict != Holds {
		t.Fatalf("the valid history is %s: %s", r.Verdict, r.Words)
	}
	for i, op := range valid {
		mutated := slices.Clone(valid)
		what, want := "", Violated
		switch {
		case op.Func == history.Unlock && i+1 < len(valid):
			what = "given back late"
			mutated[i].Invoke, mutated[i].Return = op.Invoke+60, op.Return+60
		case op.Func == history.Lock && op.Result == history.OK && i > 0:
			what = "taken early"
			mutated[i].Invoke, mutated[i].Return = op.Invoke-70, op.Return-70
		case op.Func == history.Lock && op.Result == history.Fail && i+2 < len(valid): // its lane goes on afterwards
			what = "granted in place of refused"
			mutated[i].Result, mutated[i].Errno = history.OK, ""
		default:
			continue
		}
		if r := only(t, mutated, Exclusion); r.Verdict != want || len(r.Witness) != 2 {
			t.Errorf("operation %d %s: %s, want %s: %s", i, what, r.Verdict, want, r.Words)
		}
	}
}

// naiveExclusion compares every pair of holdings.
func naiveExclusion(ops []history.Op) bool {
	type hold struct {
		client     string
		shared     bool
		start, end int64
	}
	var holds []hold
	for i, op := range ops {
		if op.Func != history.Lock {
			continue
		}
		for _, later := range ops[i+1:] {
			if later.Client == op.Client && later.Func == history.Unlock {
				holds = append(holds, hold{op.Client, op.Mode == history.ModeShared, op.Return, later.Invoke})
				break
			}
		}
	}
	for i, a := range holds {
		for _, b := range holds[i+1:] {
			if a.client != b.client && (!a.shared || !b.shared) && max(a.start, b.start) < min(a.end, b.end) {
				return false
			}
		}
	}
	return true
}

func TestExclusionAgreesWithDefinition(t *testing.T) {
	t.Parallel()
	var held, violated int
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var ops []history.Op
		for c := range 3 {
			now := int64(1000)
			for range 1 + rng.IntN(2) {
				step := func(fn, mode string) {
					now += 1 + rng.Int64N(40)
					op := history.Op{Client: fmt.Sprintf("c%d", c), Lane: "l", File: "f", Func: fn, Mode: mode, Invoke: now, Result: history.OK}
					now += 1 + rng.Int64N(10)
					op.Return = now
					ops = append(ops, op)
				}
				mode := ""
				if rng.IntN(2) == 0 {
					mode = history.ModeShared
				}
				step(history.Lock, mode)
				step(history.Unlock, "")
				now += rng.Int64N(80)
			}
		}
		want := Holds
		if !naiveExclusion(ops) {
			want = Violated
		}
		if got := only(t, ops, Exclusion); got.Verdict != want {
			t.Fatalf("seed %d: got %s (%s), the definition says %s\n%s", seed, got.Verdict, got.Words, want, dump(ops))
		}
		if want == Holds {
			held++
		} else {
			violated++
		}
	}
	if held < 200 || violated < 200 {
		t.Errorf("thin test: %d hold, %d violated", held, violated)
	}
}
