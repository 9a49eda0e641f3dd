package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// judgeDead judges a mode whose clients have lost their server's address: what
// they were told from when the server was gone until nfsim brought it back there.
func judgeDead(e *Evidence, mode string) Mode {
	m := Mode{Name: mode}
	o, no, ok := outageOf(e, mode)
	if !ok {
		m.Outcomes = []outcome.Outcome{no}
		return m
	}
	if _, watched := e.First(eventWatched, mode); !watched {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "nobody watched the clients").In("observations.jsonl")}
		return m
	}
	ops := opsOf(e.Ops, mode)
	appends := funcOps(ops, history.Append)
	if no, ok := judgeServerReplaced(e, mode, appends, o); !ok {
		m.Outcomes = []outcome.Outcome{no}
		return m
	}
	if n := ackedUntil(appends, o.cut); n < calmRounds {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the fault, %d are wanted", n, calmRounds).In("history.jsonl")}
		return m
	}
	kept := judgeLog(ops, mode+"/"+loadLog)
	m.Models, m.Outcomes = kept.Models, kept.Outcomes
	m.Outcomes = append(m.Outcomes, awayOutcomes(e, ops, o.proven, o.healing)...)
	for _, fn := range []string{history.Append, history.Read} {
		if back := firstSuccess(funcOps(ops, fn), o.healed); back > 0 {
			m.Notes = append(m.Notes, fmt.Sprintf("%ss: went on %s after the server was back at the address that they know", fn, seconds(back-o.healed)))
		}
	}
	return withLarge(e, m)
}

// awayOutcomes says what appends and reads were told between two moments: each
// error once; that they went on, or did not stop; or that they hung.
func awayOutcomes(e *Evidence, ops []history.Op, from, to int64) []outcome.Outcome {
	var out []outcome.Outcome
	for _, fn := range []string{history.Append, history.Read} {
		c := continuity{what: fn, ops: untilReturn(funcOps(ops, fn), to), outage: outage{cut: from, acting: from, proven: from, healing: from, healed: from}, options: e.Trial.Granted}
		out = append(out, c.outcomes()...)
	}
	return out
}

// untilReturn keeps the operations that had returned by t.
func untilReturn(ops []history.Op, t int64) []history.Op {
	return slices.DeleteFunc(slices.Clone(ops), func(op history.Op) bool { return op.Return == 0 || op.Return > t })
}

// firstSuccess is when the first operation that succeeded after t returned, 0 for
// never.
func firstSuccess(ops []history.Op, t int64) int64 {
	for _, op := range ops {
		if op.Result == history.OK && op.Return > t {
			return op.Return
		}
	}
	return 0
}

// withLarge adds what became of the mode's large file: read back whole by both
// clients and on the disk, or not.
func withLarge(e *Evidence, m Mode) Mode {
	if len(m.Outcomes) == 1 && m.Outcomes[0].Word.Group() == outcome.Trial {
		return m
	}
	want, readers := "", []string{}
	for _, op := range opsOf(e.Ops, largeFile(m.Name)) {
		if op.Func == history.Write && op.Result == history.OK {
			want = op.Value
		}
	}
	for _, op := range opsOf(e.Ops, largeFile(m.Name)) {
		if op.Func == history.Write {
			continue
		}
		switch {
		case op.Result != history.OK:
			m.Notes = append(m.Notes, fmt.Sprintf("large file: %s could not read it back: %s", op.Client, orHung(op.Errno)))
		case op.Value != want:
			m.Outcomes = append(m.Outcomes, outcome.New(outcome.Corrupt, "large file: %s read sha256 %.12s of %d bytes, %.12s was written and fsynced", op.Client, op.Value, op.Size, want).
				From(op.Client).In("history.jsonl"))
		default:
			readers = append(readers, op.Client)
		}
	}
	clients := slices.DeleteFunc(slices.Clone(readers), func(c string) bool { return c == history.ClientDisk })
	if want == "" || len(clients) < 2 || len(clients) == len(readers) {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "the large file was read back by %q: two clients and the disk are wanted", readers).In("history.jsonl"))
		return m
	}
	m.Notes = append(m.Notes, fmt.Sprintf("large file: sha256 %.12s as written, read back by %s", want, strings.Join(readers, ", ")))
	return m
}
