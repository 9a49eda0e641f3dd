package scenarios

import (
	"slices"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// judgeRegister judges what a reader saw of the versions of one file, of which
// there must be some.
func judgeRegister(e *Evidence, mode string, least int, more ...string) Mode {
	models := append([]string{consistency.Linearizable, consistency.BoundedStale, consistency.MonotonicReads, consistency.Untorn, consistency.Durable}, more...)
	m := tornAlone(judgeMode(e, mode, models...))
	return withStaleness(withEnough(e, m, least))
}

// withEnough adds INCONCLUSIVE when the mode has fewer versions than wanted, or
// nobody looked after the last of them: nothing was seen then.
func withEnough(e *Evidence, m Mode, least int) Mode {
	ops := opsOf(e.Ops, m.Name)
	written, last := 0, int64(0)
	for i := range ops {
		if op := &ops[i]; isWrite(op) && op.Result == history.OK {
			written++
			last = max(last, op.Return)
		}
	}
	after := slices.ContainsFunc(ops, func(op history.Op) bool {
		return op.Func == history.Read && op.Result != history.Unknown && op.Return > last
	})
	if written < least {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "%d versions were written, at least %d are wanted", written, least))
	} else if !after {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "nobody looked after the last of %d versions", written))
	}
	return m
}

// isWrite says whether an operation replaces what a name shows.
func isWrite(op *history.Op) bool {
	return slices.Contains([]string{history.Write, history.Rename, history.Unlink}, op.Func)
}

// withStaleness notes how stale the mode's readers were, with spread, count
// and error bound.
func withStaleness(m Mode) Mode {
	for _, r := range m.Models {
		if r.Model == consistency.BoundedStale && r.Figure != nil {
			m.Notes = append(m.Notes, "stale for "+r.Figure.Detail())
		}
	}
	return m
}

// modesOf lists the modes of a quick run, and those of a full one that were
// recorded.
func modesOf(e *Evidence, modes func(full bool) []string) []string {
	var out []string
	for _, mode := range modes(true) {
		if slices.Contains(modes(false), mode) || len(opsOf(e.Ops, mode)) > 0 {
			out = append(out, mode)
		}
	}
	return out
}

// tornAlone drops INCONCLUSIVE of the register models where a read was torn:
// that is as decided as can be.
func tornAlone(m Mode) Mode {
	is := func(w outcome.Word) func(o outcome.Outcome) bool {
		return func(o outcome.Outcome) bool { return o.Word == w }
	}
	if slices.ContainsFunc(m.Outcomes, is(outcome.Torn)) {
		m.Outcomes = slices.DeleteFunc(m.Outcomes, is(outcome.Inconclusive))
	}
	return m
}
