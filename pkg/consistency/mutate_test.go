package consistency

import (
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

// TestEveryFlipIsNoticed changes one operation of a valid history at a time,
// in ways that matter, and asks the model concerned.
func TestEveryFlipIsNoticed(t *testing.T) {
	t.Parallel()
	valid := simulate(42, 400, 2, false)
	type write struct {
		invoke, ret int64
		value       string
	}
	writes := make(map[string][]write) // whole writes per file, by return
	for i := range valid {
		if op := &valid[i]; op.Func == history.Write {
			invoke, ret := op.Wide()
			writes[op.File] = append(writes[op.File], write{invoke, ret, op.Value})
		}
	}
	// replaced returns a version of the file that was surely replaced before
	// the time given.
	replaced := func(file string, before int64) string {
		for _, w := range writes[file] {
			for _, newer := range writes[file] {
				if w.ret < newer.invoke && newer.ret < before {
					return w.value
				}
			}
		}
		return ""
	}
	flips := 0
	flip := func(i int, what string, models []string, change func(*history.Op)) {
		flips++
		mutated := append([]history.Op(nil), valid...)
		change(&mutated[i])
		for _, r := range Check(t.Context(), mutated, Options{Models: models}) {
			if r.Verdict != Violated || len(r.Witness) == 0 || len(r.Witness) > 4 {
				t.Errorf("operation %d, %s: %s is %s: %s", i, what, r.Model, r.Verdict, r.Words)
			}
		}
	}
	for i := range valid {
		op := &valid[i]
		invoke, ret := op.Wide()
		switch op.Func {
		case history.Read:
			flip(i, "torn", []string{Untorn, Linearizable}, func(op *history.Op) { op.Kind = history.KindTorn })
			flip(i, "invented", []string{Untorn}, func(op *history.Op) { op.Kind, op.Value = history.KindToken, "invented" })
			if old := replaced(op.File, invoke); old != "" && old != op.Value {
				flip(i, "stale", []string{CloseToOpen, Linearizable}, func(op *history.Op) { op.Kind, op.Value = history.KindToken, old })
			}
			for _, w := range writes[op.File] {
				if w.invoke > ret {
					flip(i, "future", []string{CloseToOpen, Linearizable}, func(op *history.Op) { op.Kind, op.Value = history.KindToken, w.value })
					break
				}
			}
		case history.Truth:
			if old := replaced(op.File, history.Forever); old != "" {
				flip(i, "lost", []string{Durable}, func(op *history.Op) { op.Value = old })
			}
			flip(i, "corrupt", []string{Untorn, Durable}, func(op *history.Op) { op.Kind, op.Value = history.KindGarbage, "" })
		}
	}
	if flips < 300 {
		t.Errorf("thin test: %d flips", flips)
	}
}
