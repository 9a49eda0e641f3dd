package scenarios

import (
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// leastContested is how often the sides must meet in a mode with two racers, or
// nothing was put to the test: an append that overlaps one of the other side, a
// lock that was asked for while the other side held it, a write into the page
// that comes next after one of the other side.
const leastContested = 4

func judgeAppendRace(e *Evidence) Judgement {
	var j Judgement
	for _, name := range appendRace().Modes {
		j.Modes = append(j.Modes, judgeRecords(e, name))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeRecords compares the records that two clients were told are in a file
// with what is there.
func judgeRecords(e *Evidence, name string) Mode {
	ops := opsOf(e.Ops, name)
	r := sortRecords(ops)
	tried := 2 * raceRecords
	switch name {
	case modeAlternating:
		tried = 2 * turnRecords
	case modeDisjoint, modeDisjointOSync:
		tried = pageSize / slotSize
		r.slots, r.met = true, r.turns
	}
	j := judgeModels(ops, consistency.AppendLog)
	m := Mode{Name: name, Models: j.Models}
	inconclusive := func(format string, args ...any) {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, format, args...))
	}
	m.Notes = append(m.Notes, fmt.Sprintf("%s: %d of %d acknowledged records are not in the file, which has %d bytes of zeros; %d times the sides met", name, len(r.lost), r.acked, r.zeros, r.met))
	switch {
	case r.truths == 0:
		inconclusive("nothing was read of the file on the server's disk")
	case r.clients < 2 || r.acked < tried*3/4:
		inconclusive("%d records of %d clients were acknowledged, at least %d of 2 are wanted", r.acked, r.clients, tried*3/4)
	case name != modeAlternating && r.met < leastContested:
		inconclusive("the sides met only %d times, %d are wanted", r.met, leastContested)
	default:
		m.Outcomes = append(m.Outcomes, r.outcomes(j.Models[0])...)
	}
	for i := range m.Outcomes {
		m.Outcomes[i] = m.Outcomes[i].In("history.jsonl")
	}
	return m
}

// records is what became of the records of one file.
type records struct {
	acked    int
	clients  int           // that had a record acknowledged
	met      int           // appends that overlap one of another client, or locks asked for while it had them
	doubtful int           // appends without a clear answer
	lost     []*history.Op // acknowledged and not in the file
	vanished []*history.Op // lost, and no other client wrote at that time or later
	torn     []*history.Op // stretches of the file that are no record
	zeros    int64         // bytes of zeros in the file
	truths   int           // stretches of the file
	turns    int           // appends that come next after one of another client
	slots    bool          // each record has its place in a page that was zeros before
}

func sortRecords(ops []history.Op) records {
	var r records
	var appends []*history.Op
	writer := ""
	there := map[string]bool{}
	clients := map[string]bool{}
	for _, op := range inOrder(ops) {
		switch {
		case op.Func == history.Append:
			appends = append(appends, op)
			if writer != "" && writer != op.Client {
				r.turns++
			}
			writer = op.Client
		case op.Func != history.Truth:
		case op.Kind == history.KindToken:
			r.truths++
			there[op.Value] = true
		case op.Kind == history.KindNUL:
			r.truths++
			r.zeros += op.Size
		default:
			r.truths++
			r.torn = append(r.torn, op)
		}
	}
	for _, op := range appends {
		if slices.ContainsFunc(appends, func(o *history.Op) bool { return o.Client != op.Client && overlap(o, op) }) {
			r.met++
		}
		if op.Result != history.OK {
			r.doubtful++
			continue
		}
		r.acked++
		clients[op.Client] = true
		if there[op.Value] {
			continue
		}
		r.lost = append(r.lost, op)
		if !slices.ContainsFunc(appends, func(o *history.Op) bool { return o.Client != op.Client && !before(o, op) }) {
			r.vanished = append(r.vanished, op)
		}
	}
	r.clients = len(clients)
	asked, _, _ := handovers(holdings(ops))
	r.met += asked
	return r
}

// before says whether a had surely returned when b was invoked.
func before(a, b *history.Op) bool {
	_, ret := a.Wide()
	invoke, _ := b.Wide()
	return ret < invoke
}

// overlap says whether the clients' own intervals of two operations overlap.
func overlap(a, b *history.Op) bool {
	return (a.Return == 0 || a.Return >= b.Invoke) && (b.Return == 0 || b.Return >= a.Invoke)
}

// outcomes names what became of the records: a record that another client may
// have written over is a lost update, one that nobody touched is lost.
func (r records) outcomes(model rundir.ModelResult) []outcome.Outcome {
	var out []outcome.Outcome
	if n := len(r.lost) - len(r.vanished); n > 0 {
		out = append(out, outcome.New(outcome.LostUpdate, "%d of %d acknowledged records are not in the file, the first of them %s; the other side wrote at that time or later", n, r.acked, r.lost[0].Value).From("disk"))
	}
	if n := len(r.vanished); n > 0 {
		out = append(out, outcome.New(outcome.AckedLost, "%d acknowledged records are not in the file, the first of them %s, and nobody else wrote at that time or later", n, r.vanished[0].Value).From("disk"))
	}
	if len(r.torn) > 0 {
		out = append(out, outcome.New(outcome.Torn, "%d stretches of the file are no whole record, the first of them %d bytes at offset %d", len(r.torn), r.torn[0].Size, r.torn[0].Offset).From("disk"))
	}
	if r.zeros > 0 && !r.slots {
		out = append(out, outcome.New(outcome.Corrupt, "the file has %d bytes of zeros, which nobody appended", r.zeros).From("disk"))
	}
	switch {
	case len(out) > 0:
		return out
	case model.Verdict == string(consistency.Holds):
		return []outcome.Outcome{outcome.New(outcome.Durable, "all %d acknowledged records are in the file, once and whole", r.acked).From("disk")}
	case model.Verdict != string(consistency.Violated):
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "%s", model.Words)}
	case r.zeros > 0 && r.doubtful > 0:
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "the page has %d bytes of zeros left, and %d writes had no clear answer", r.zeros, r.doubtful)}
	default:
		return []outcome.Outcome{outcome.New(outcome.Corrupt, "%s", model.Words).From("disk")}
	}
}
