package consistency

import (
	"slices"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
)

// TestEveryOldReadIsNoticed makes one read of a valid history at a time return
// a version that its reader, by one model each, may not see any more.
func TestEveryOldReadIsNoticed(t *testing.T) {
	t.Parallel()
	valid := simulate(43, 600, 2, false)
	byValue := map[string]*history.Op{}
	for i := range valid {
		if valid[i].Func == history.Write {
			byValue[valid[i].Value] = &valid[i]
		}
	}
	// older returns a version of the file that was on the server, surely, before
	// the write of another one began.
	older := func(than *history.Op) *history.Op {
		invoke, _ := than.Wide()
		for i := range valid {
			if w := &valid[i]; w.Func == history.Write && w.File == than.File {
				if _, ret := w.Wide(); ret < invoke {
					return w
				}
			}
		}
		return nil
	}
	flips := map[string]int{}
	flip := func(i int, model string, old *history.Op) {
		if old == nil || old.Value == valid[i].Value {
			return
		}
		flips[model]++
		mutated := slices.Clone(valid)
		mutated[i].Kind, mutated[i].Value = history.KindToken, old.Value
		r := Check(t.Context(), mutated, Options{Models: []string{model}, Bound: time.Nanosecond})[0]
		if r.Verdict != Violated || len(r.Witness) < 2 || len(r.Witness) > 3 || r.Words == "" {
			t.Errorf("operation %d reads %s again: %s is %s: %s", i, old.Value, model, r.Verdict, r.Words)
		}
	}
	for i := range valid {
		if valid[i].Func != history.Read {
			continue
		}
		invoke, _ := valid[i].Wide()
		var lastRead, lastWrite, current *history.Op
		for j := range i {
			before := &valid[j]
			if before.File != valid[i].File {
				continue
			}
			mine := before.Client == valid[i].Client && before.Lane == valid[i].Lane
			switch {
			case before.Func == history.Read && before.Kind == history.KindToken && mine:
				lastRead = byValue[before.Value]
			case before.Func == history.Write && mine:
				lastWrite = before
			}
			if _, ret := before.Wide(); before.Func == history.Write && ret+1 < invoke {
				current = before
			}
		}
		for model, newer := range map[string]*history.Op{MonotonicReads: lastRead, ReadYourWrites: lastWrite, BoundedStale: current} {
			if newer != nil {
				flip(i, model, older(newer))
			}
		}
	}
	for _, model := range []string{MonotonicReads, ReadYourWrites, BoundedStale} {
		if flips[model] < 50 {
			t.Errorf("thin test: %d flips for %s", flips[model], model)
		}
	}
}
