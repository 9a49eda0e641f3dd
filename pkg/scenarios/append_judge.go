package scenarios

import (
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// leastContested is how many appends of each mode with two racers must overlap
// one of the other side, or nothing was put to the test.
const leastContested = 4

func judgeAppendRace(e *Evidence) Judgement {
	var j Judgement
	for _, name := range appendRace().Modes {
		j.Modes = append(j.Modes, judgeRecords(e, name, name != modeAlternating))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeRecords compares the records that two clients were told are in a file
// with what is there.
func judgeRecords(e *Evidence, name string, racing bool) Mode {
	ops := opsOf(e.Ops, name)
	r := sortRecords(ops)
	model := judgeModels(ops, consistency.AppendLog).Models
	m := Mode{Name: name, Models: model}
	m.Notes = append(m.Notes, fmt.Sprintf("%s: %d of %d acknowledged records are not in the file; %d appends overlap one of the other side", name, len(r.lost), r.acked, r.contested))
	switch {
	case r.truths == 0:
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "nothing was read of the file on the server's disk"))
	case r.clients < 2 || r.acked < raceLeast(name):
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "%d records of %d clients were acknowledged, at least %d of 2 are wanted", r.acked, r.clients, raceLeast(name)))
	case racing && r.contested < leastContested:
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "only %d appends overlap one of the other side, %d are wanted", r.contested, leastContested))
	default:
		m.Outcomes = append(m.Outcomes, r.outcomes(model[0])...)
	}
	for i := range m.Outcomes {
		m.Outcomes[i] = m.Outcomes[i].In("history.jsonl")
	}
	return m
}

// raceLeast is how many records of a mode must have been acknowledged: three
// of four that were tried.
func raceLeast(name string) int {
	if name == modeDisjoint || name == modeDisjointOSync {
		return pageSize / slotSize * 3 / 4
	}
	return 2 * raceRecords * 3 / 4
}

// records is what became of the records of one file.
type records struct {
	acked     int
	clients   int           // that had a record acknowledged
	contested int           // appends that overlap one of another client
	doubtful  int           // appends without a clear answer
	lost      []*history.Op // acknowledged and not in the file
	vanished  []*history.Op // lost, and no other client wrote at that time or later
	torn      []*history.Op // stretches of the file that are no record
	zeros     []*history.Op // stretches of zeros
	truths    int
}

func sortRecords(ops []history.Op) records {
	var r records
	var appends []*history.Op
	there := map[string]bool{}
	clients := map[string]bool{}
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Func == history.Append:
			appends = append(appends, op)
		case op.Func != history.Truth:
		case op.Kind == history.KindToken:
			r.truths++
			there[op.Value] = true
		case op.Kind == history.KindNUL:
			r.truths++
			r.zeros = append(r.zeros, op)
		default:
			r.truths++
			r.torn = append(r.torn, op)
		}
	}
	for _, op := range appends {
		if slices.ContainsFunc(appends, func(o *history.Op) bool { return o.Client != op.Client && overlap(o, op) }) {
			r.contested++
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
	switch {
	case len(out) > 0:
		return out
	case model.Verdict == string(consistency.Holds):
		return []outcome.Outcome{outcome.New(outcome.Durable, "all %d acknowledged records are in the file, once and whole", r.acked).From("disk")}
	case model.Verdict != string(consistency.Violated):
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "%s", model.Words)}
	case len(r.zeros) > 0 && r.doubtful > 0:
		return []outcome.Outcome{outcome.New(outcome.Inconclusive, "the file has %d stretches of zeros, and %d appends had no clear answer", len(r.zeros), r.doubtful)}
	default:
		return []outcome.Outcome{outcome.New(outcome.Corrupt, "%s", model.Words).From("disk")}
	}
}
