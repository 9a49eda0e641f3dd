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

// TestLinearizableKnowsTheOrderOfALane checks writes of one lane that were sent
// at once: their wide intervals overlap, and the lane's own clock says which
// was first. A reader that stays with the first is no linearizable one.
func TestLinearizableKnowsTheOrderOfALane(t *testing.T) {
	t.Parallel()
	write := func(value string, invoke, ret, outerReturn int64) history.Op {
		return history.Op{
			Client: "a", Lane: "l", Func: history.Write, Mode: history.ModeFsync, File: "f", Value: value,
			Invoke: invoke, Return: ret, ErrNS: 20, OuterInvoke: 1000, OuterReturn: outerReturn, Result: history.OK,
		}
	}
	read := func(value string, invoke int64) history.Op {
		return history.Op{Client: "b", Lane: "l", Func: history.Read, Mode: history.ModeReopen, File: "f", Value: value, Kind: history.KindToken, Invoke: invoke, Return: invoke + 10, Result: history.OK}
	}
	first, second := write("one", 1010, 1050, 1060), write("two", 1055, 1100, 1120)
	for _, tc := range []struct {
		value string
		want  Verdict
	}{{"two", Holds}, {"one", Violated}} {
		ops := []history.Op{first, second, read(tc.value, 2000), read(tc.value, 9000)}
		if r := only(t, ops, Linearizable); r.Verdict != tc.want {
			t.Errorf("reads of %q: %s, want %s: %s", tc.value, r.Verdict, tc.want, r.Words)
		}
	}
}
