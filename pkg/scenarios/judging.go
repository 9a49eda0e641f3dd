package scenarios

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// linearizableLimit bounds porcupine's search per file. It is wall time, and far
// more than a search takes that finds its answer at all, so that a machine busy
// with something else comes to the same verdict.
const linearizableLimit = 30 * time.Second

// judgeModels checks the history against the models and turns what they say
// into outcomes of the groups consistency, durability and exclusion.
func judgeModels(ops []history.Op, models ...string) Judgement {
	var j Judgement
	results := consistency.Check(context.Background(), ops, consistency.Options{
		Models: models, Linearizable: linearizableLimit,
	})
	verdicts := map[string]consistency.Result{}
	for _, r := range results {
		verdicts[r.Model] = r
		j.Models = append(j.Models, rundir.ModelResult{
			Model: r.Model, Verdict: string(r.Verdict), Words: r.Words,
			Figure: r.Figure, Witness: r.Witness, Checked: r.Checked,
		})
	}
	j.Outcomes = append(j.Outcomes, consistencyOutcomes(verdicts)...)
	j.Outcomes = append(j.Outcomes, durabilityOutcomes(ops, verdicts)...)
	j.Outcomes = append(j.Outcomes, exclusionOutcomes(verdicts)...)
	return j
}

// exclusionOutcomes says whether two clients held one lock at once, and for how
// long.
func exclusionOutcomes(v map[string]consistency.Result) []outcome.Outcome {
	r, ok := v[consistency.Exclusion]
	switch {
	case !ok:
		return nil
	case r.Verdict == consistency.Holds:
		return []outcome.Outcome{evidenceOf(outcome.Exclusive, r)}
	case r.Verdict == consistency.Violated:
		return []outcome.Outcome{evidenceOf(outcome.TwoWriters, r).WithFigure(r.Figure)}
	default:
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "%s: %s", r.Model, r.Words)}
	}
}

// consistencyOutcomes names the strongest register model that held. A model
// that was not asked for says nothing; unknown is never taken for holds.
func consistencyOutcomes(v map[string]consistency.Result) []outcome.Outcome {
	var out []outcome.Outcome
	if r, ok := v[consistency.Untorn]; ok && r.Verdict == consistency.Violated {
		out = append(out, evidenceOf(outcome.Torn, r))
	}
	lin, askedLin := v[consistency.Linearizable]
	cto, askedCTO := v[consistency.CloseToOpen]
	stale, askedStale := v[consistency.BoundedStale]
	switch {
	case askedLin && lin.Verdict == consistency.Holds:
		out = append(out, evidenceOf(outcome.Linearizable, lin))
	case askedCTO && cto.Verdict == consistency.Holds:
		out = append(out, evidenceOf(outcome.CloseToOpen, cto))
	case askedStale && stale.Figure != nil && stale.Figure.More:
		out = append(out, evidenceOf(outcome.UnboundedStale, stale))
	case askedStale && stale.Figure != nil:
		out = append(out, evidenceOf(outcome.BoundedStale, stale).WithFigure(stale.Figure))
	case askedLin || askedCTO || askedStale:
		out = append(out, outcome.New(outcome.Inconclusive, "no register model could be decided").In("history.jsonl"))
	}
	return out
}

func durabilityOutcomes(ops []history.Op, v map[string]consistency.Result) []outcome.Outcome {
	var out []outcome.Outcome
	for _, name := range []string{consistency.Durable, consistency.AppendLog} {
		r, ok := v[name]
		if !ok {
			continue
		}
		switch r.Verdict {
		case consistency.Holds:
			out = append(out, evidenceOf(outcome.Durable, r).From("disk"))
		case consistency.Violated:
			out = append(out, evidenceOf(outcome.AckedLost, r).From("disk"))
			out = append(out, spoilt(ops)...)
		default:
			out = append(out, outcome.New(outcome.Inconclusive, "%s: %s", name, r.Words))
		}
	}
	return out
}

// spoilt tells lost data from spoilt data: bytes on the server's disk that
// nobody wrote are corruption.
func spoilt(ops []history.Op) []outcome.Outcome {
	for i := range ops {
		op := &ops[i]
		if op.Func == history.Truth && slices.Contains([]string{history.KindGarbage, history.KindTorn, history.KindNUL}, op.Kind) {
			return []outcome.Outcome{outcome.New(outcome.Corrupt, "file %s: %d bytes at offset %d on the server's disk are %s", op.File, op.Size, op.Offset, op.Kind).
				From("disk").In("history.jsonl")}
		}
	}
	return nil
}

func evidenceOf(w outcome.Word, r consistency.Result) outcome.Outcome {
	return outcome.New(w, "%s", r.Words).In("history.jsonl")
}

// judgeFault says NO_FAULT when the named fault was not proven, or lasted
// without enough operations of fn overlapping it. ok is true when the trial
// may be judged.
func judgeFault(e *Evidence, name, fn string, least int) (outcome.Outcome, bool) {
	f, found := e.fault(name)
	if !found || !f.Proven {
		return outcome.New(outcome.NoFault, "fault %s was not proven to take effect: %s", name, f.Error).In("faults.jsonl"), false
	}
	to := f.HealedAt
	if to == 0 {
		to = history.Forever
	}
	if n := e.overlapping(fn, f.ProvenAt, to); n < least {
		return outcome.New(outcome.Inconclusive, "only %d %s operations overlap the fault, %d are wanted", n, fn, least).In("faults.jsonl", "history.jsonl"), false
	}
	return outcome.Outcome{}, true
}

// judgeLedger compares what exists after the trial with what existed before.
func judgeLedger(e *Evidence) []outcome.Outcome {
	if e.Before == nil || e.After == nil {
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "a ledger is missing")}
	}
	out := append(forcedUnmounts(e), recoveries(e)...)
	words := map[string]outcome.Word{
		rundir.MountsHost:      outcome.MountLeft,
		rundir.MountsContainer: outcome.MountLeft,
		rundir.PodDirs:         outcome.PodDirLeft,
	}
	for _, c := range rundir.Diff(e.Before, e.After) {
		if len(c.Added) == 0 {
			continue
		}
		w, ok := words[c.Category]
		if !ok {
			w = outcome.Leaked
		}
		out = append(out, outcome.New(w, "left in %s: %s", c.Category, strings.Join(c.Added, "; ")).
			From("node").In("ledger-before.json", "ledger-after.json"))
	}
	if len(out) == 0 {
		out = append(out, outcome.New(outcome.Clean, "the ledger after the trial is the one before it").
			From("node").In("ledger-before.json", "ledger-after.json"))
	}
	return out
}

// forcedUnmounts are the mounts of the trial that did not go by themselves: what
// it took to remove them is part of the outcome.
func forcedUnmounts(e *Evidence) []outcome.Outcome {
	var out []outcome.Outcome
	for _, fact := range slices.Sorted(maps.Keys(e.Trial.Facts)) {
		if machine, ok := strings.CutPrefix(fact, unmountFact); ok {
			out = append(out, outcome.New(outcome.MountLeft, "the mount on %s was busy or dead: it took %v", machine, e.Trial.Facts[fact]).
				From("node").In("trial.json"))
		}
	}
	return out
}

// judgeGaps says how the appends of a client went on while a fault lasted:
// the longest time without an acknowledgement, and the errors.
func judgeGaps(e *Evidence, client string, from, to int64) outcome.Outcome {
	last, gap := from, int64(0)
	var failed *history.Op
	acked := 0
	for i := range e.Ops {
		op := &e.Ops[i]
		if op.Client != client || op.Func != history.Append {
			continue
		}
		if op.Result != history.OK {
			if op.Invoke <= to && (op.Return == 0 || op.Return >= from) && failed == nil {
				failed = op
			}
			continue
		}
		if op.Return < from || op.Return > to {
			continue
		}
		acked++
		gap = max(gap, op.Return-last)
		last = op.Return
	}
	gap = max(gap, to-last)
	switch {
	case failed != nil:
		w := outcome.EIO
		switch failed.Errno {
		case "ETIMEDOUT":
			w = outcome.ETimedOut
		case "ESTALE":
			w = outcome.EStale
		case "":
			w = outcome.Hung
		}
		return outcome.New(w, "append of record %d: %s", failed.Seq, orHung(failed.Errno)).From("pod").In("history.jsonl")
	case acked == 0:
		return outcome.New(outcome.Hung, "no append was acknowledged in %s", seconds(to-from)).From("pod").In("history.jsonl")
	case gap > int64(toleratedGap):
		return outcome.New(outcome.Recovered, "longest gap between two acknowledgements %s", seconds(gap)).
			WithFigure(outcome.Seconds(float64(gap)/1e9, 0)).From("pod").In("history.jsonl")
	default:
		return outcome.New(outcome.Uninterrupted, "%d appends acknowledged in %s, longest gap %s", acked, seconds(to-from), seconds(gap)).
			From("pod").In("history.jsonl")
	}
}

func orHung(errno string) string {
	if errno == "" {
		return "no answer"
	}
	return errno
}

// note formats a note for a person.
func (j *Judgement) note(format string, args ...any) {
	j.Notes = append(j.Notes, fmt.Sprintf(format, args...))
}

// judgeMode checks the operations on one file, or in one directory, of a cell
// against the models: those of the mode that the file is named after.
func judgeMode(e *Evidence, name string, models ...string) Mode {
	j := judgeModels(opsOf(e.Ops, name), models...)
	return Mode{Name: name, Outcomes: j.Outcomes, Models: j.Models}
}

// opsOf returns the operations on the file, or on files in the directory, of
// the name.
func opsOf(ops []history.Op, name string) []history.Op {
	var out []history.Op
	for i := range ops {
		if ops[i].File == name || strings.HasPrefix(ops[i].File, name+"/") {
			out = append(out, ops[i])
		}
	}
	return out
}
