package consistency

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

// randomRegister makes a small history of one register with random intervals
// and reads of random values: mostly not linearizable, often enough so.
func randomRegister(rng *rand.Rand, n int) []history.Op {
	var ops []history.Op
	writes := 1 + rng.IntN(n-1)
	for i := range n {
		invoke := 1 + rng.Int64N(20)
		op := history.Op{
			Client: fmt.Sprintf("c%d", i), File: "f", Func: history.Write,
			Invoke: invoke, Return: invoke + rng.Int64N(8), Result: history.OK,
		}
		switch {
		case i >= writes:
			op.Func = history.Read
			if k := rng.IntN(writes + 1); k < writes {
				op.Value = fmt.Sprintf("v%d", k)
			} else {
				op.Kind = history.KindEmpty
			}
		case rng.IntN(6) == 0:
			op.Value, op.Result, op.Return = fmt.Sprintf("v%d", i), history.Unknown, 0
		case rng.IntN(12) == 0:
			op.Func, op.Size = history.Truncate, 0
		default:
			op.Value = fmt.Sprintf("v%d", i)
		}
		ops = append(ops, op)
	}
	for i := writes; i < n; i++ { // a read of what a truncate took the place of makes no sense
		ok := ops[i].Kind == history.KindEmpty
		for k := range writes {
			ok = ok || ops[k].Func == history.Write && ops[k].Value == ops[i].Value
		}
		if !ok {
			ops[i].Value, ops[i].Kind = "", history.KindEmpty
		}
	}
	return ops
}

// bruteLinearizable tries every order.
func bruteLinearizable(ops []history.Op) bool {
	done := make([]bool, len(ops))
	var try func(left int, state string) bool
	try = func(left int, state string) bool {
		mayStop := true
		for i := range ops {
			if !done[i] && ops[i].Result == history.OK {
				mayStop = false
			}
		}
		if left == 0 || mayStop {
			return true
		}
		for i := range ops {
			if done[i] {
				continue
			}
			invoke, _ := ops[i].Wide()
			first := true
			for j := range ops {
				if _, ret := ops[j].Wide(); !done[j] && j != i && ret < invoke {
					first = false
				}
			}
			if !first {
				continue
			}
			next := state
			switch ops[i].Func {
			case history.Write:
				next = ops[i].Value
			case history.Truncate:
				next = ""
			case history.Read:
				if ops[i].Value != state {
					continue
				}
			}
			done[i] = true
			if try(left-1, next) {
				return true
			}
			done[i] = false
		}
		return false
	}
	return try(len(ops), "")
}

func TestLinearizableAgreesWithBruteForce(t *testing.T) {
	t.Parallel()
	var holds, violated int
	for seed := range uint64(6000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ops := randomRegister(rng, 2+rng.IntN(6))
		want := Holds
		if !bruteLinearizable(ops) {
			want = Violated
		}
		got := only(t, ops, Linearizable)
		if got.Checked == 0 {
			continue
		}
		if got.Verdict != want {
			t.Fatalf("seed %d: got %s (%s), brute force says %s\n%s", seed, got.Verdict, got.Words, want, dump(ops))
		}
		if want == Holds {
			holds++
			continue
		}
		violated++
		if slices.ContainsFunc(ops, func(op history.Op) bool { return op.Func == history.Truncate }) {
			continue // the search shows where it gave up, which is no proof by itself
		}
		if bruteLinearizable(withWrites(ops, got.Witness)) {
			t.Fatalf("seed %d: the witness proves nothing\n%s\nwitness\n%s", seed, dump(ops), dump(got.Witness))
		}
	}
	if holds < 500 || violated < 500 {
		t.Errorf("thin test: %d hold, %d violated", holds, violated)
	}
}

// withWrites returns the witness with the writes of what it reads, with any
// time: a proof must not rest on when those were.
func withWrites(ops, witness []history.Op) []history.Op {
	list := append([]history.Op(nil), witness...)
	for _, op := range witness {
		if op.Func != history.Read || op.Value == "" {
			continue
		}
		there := false
		for _, w := range list {
			there = there || w.Func == history.Write && w.Value == op.Value
		}
		for _, w := range ops {
			if !there && w.Func == history.Write && w.Value == op.Value {
				w.Invoke, w.Return, w.Result = 0, 0, history.Unknown
				list = append(list, w)
				there = true
			}
		}
	}
	return list
}

func TestZonesAgreeWithSearch(t *testing.T) {
	t.Parallel()
	compared := 0
	for seed := range uint64(4000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		ops := randomRegister(rng, 2+rng.IntN(9))
		_, files := split(ops)
		v := newView("f", files["f"])
		z := v.zones()
		if z == nil || len(v.reads) == 0 {
			continue
		}
		compared++
		if conflict, want := z.conflict() != nil, !search(v); conflict != want {
			t.Fatalf("seed %d: zones say conflict=%t, porcupine %t\n%s", seed, conflict, want, dump(ops))
		}
	}
	if compared < 1000 {
		t.Errorf("thin test: %d compared", compared)
	}
}
