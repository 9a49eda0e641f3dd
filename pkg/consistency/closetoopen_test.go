package consistency

import (
	"math/rand/v2"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

func TestValidHistoriesHold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		held := seed%2 == 1
		ops := simulate(seed, 300, 3, held)
		if problems := history.Validate(ops); len(problems) > 0 {
			t.Fatalf("seed %d: simulated history is invalid: %v", seed, problems[0])
		}
		want := []string{CloseToOpen, MonotonicReads, ReadYourWrites, Untorn, Durable}
		if !held {
			want = append(want, Linearizable)
		}
		for _, r := range Check(t.Context(), ops, Options{Models: want}) {
			if r.Verdict != Holds || r.Checked == 0 {
				t.Errorf("seed %d: %s is %s of %d: %s\n%s", seed, r.Model, r.Verdict, r.Checked, r.Words, dump(r.Witness))
			}
		}
	}
}

// naiveCloseToOpen follows the definition with loops in loops, for histories
// as simulate makes them.
func naiveCloseToOpen(ops []history.Op) bool {
	type ver struct {
		client                string
		invoke, closed        int64
		mapped                int64
		value                 string
		emptied, neverWritten bool
	}
	closeOf := func(i int) int64 {
		_, ret := ops[i].Wide()
		if ops[i].Mode == history.ModeClose {
			return ret
		}
		for j := i + 1; j < len(ops); j++ {
			if ops[j].Client == ops[i].Client && ops[j].File == ops[i].File && ops[j].Func == history.Close {
				_, ret = ops[j].Wide()
				return ret
			}
		}
		return history.Forever
	}
	openOf := func(i int) (int64, bool) {
		invoke, _ := ops[i].Wide()
		if ops[i].Mode == history.ModeReopen {
			return invoke, true
		}
		for j := i - 1; j >= 0; j-- {
			if ops[j].Client == ops[i].Client && ops[j].File == ops[i].File && ops[j].Func == history.Open {
				invoke, _ = ops[j].Wide()
				return invoke, true
			}
		}
		return 0, false
	}
	after := func(a, b ver) bool { // b surely after a
		if a.neverWritten {
			return true
		}
		if a.client == b.client {
			return a.mapped < b.mapped || a.mapped == b.mapped && a.emptied && !b.emptied
		}
		return a.closed < b.invoke
	}
	for i := range ops {
		if ops[i].Func != history.Read {
			continue
		}
		opened, ok := openOf(i)
		if !ok {
			continue
		}
		_, ret := ops[i].Wide()
		var all, candidates []ver
		if ops[i].Kind == history.KindEmpty {
			candidates = append(candidates, ver{neverWritten: true})
		}
		for j := range ops {
			if ops[j].Func != history.Write || ops[j].File != ops[i].File {
				continue
			}
			invoke, _ := ops[j].Wide()
			x := ver{client: ops[j].Client, invoke: invoke, closed: closeOf(j), mapped: ops[j].Invoke, value: ops[j].Value}
			all = append(all, x)
			if ops[i].Kind == history.KindToken && x.value == ops[i].Value {
				candidates = append(candidates, x)
			}
			if ops[i].Kind == history.KindEmpty && ops[j].Mode == history.ModeClose {
				x.emptied = true
				candidates = append(candidates, x)
			}
		}
		allowed := false
		for _, c := range candidates {
			good := c.neverWritten || c.invoke <= ret
			for _, x := range all {
				if after(c, x) && x.closed < opened {
					good = false
				}
			}
			allowed = allowed || good
		}
		if !allowed {
			return false
		}
	}
	return true
}

func TestCloseToOpenAgreesWithDefinition(t *testing.T) {
	t.Parallel()
	var holds, violated int
	for seed := range uint64(1500) {
		ops := simulate(seed, 30, 1, true)
		rng := rand.New(rand.NewPCG(seed, 4))
		var reads, tokens []int
		for i := range ops {
			switch ops[i].Func {
			case history.Read:
				reads = append(reads, i)
			case history.Write:
				tokens = append(tokens, i)
			}
		}
		if len(reads) == 0 || len(tokens) == 0 {
			continue
		}
		flipped := &ops[reads[rng.IntN(len(reads))]]
		if rng.IntN(5) == 0 {
			flipped.Kind, flipped.Value = history.KindEmpty, ""
		} else {
			flipped.Kind, flipped.Value = history.KindToken, ops[tokens[rng.IntN(len(tokens))]].Value
		}
		want := Holds
		if !naiveCloseToOpen(ops) {
			want = Violated
		}
		got := only(t, ops, CloseToOpen)
		if got.Verdict != want {
			t.Fatalf("seed %d: got %s (%s), the definition says %s\n%s", seed, got.Verdict, got.Words, want, dump(ops))
		}
		if want == Holds {
			holds++
		} else {
			violated++
		}
	}
	if holds < 200 || violated < 200 {
		t.Errorf("thin test: %d hold, %d violated", holds, violated)
	}
}
