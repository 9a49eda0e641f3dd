package scenarios

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// leastAsked is how many locks of each kind must have been asked for while the
// other side held it, or nothing was put to the test.
const leastAsked = 4

func judgeLockHandover(e *Evidence) Judgement {
	var j Judgement
	for _, kind := range lockKinds() {
		j.Modes = append(j.Modes, judgeLocks(opsOf(e.Ops, kind), kind))
	}
	j.Outcomes = judgeLedger(e)
	return j
}

// judgeLocks judges one kind of lock twice: by when the two clients held it,
// and by what they read and wrote while they did.
func judgeLocks(ops []history.Op, kind string) Mode {
	m := Mode{Name: kind}
	held := holdings(ops)
	asked, waits, errNS := handovers(held)
	if never := unanswered(ops); never != nil {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Hung, "the lock that %s asked for was not given within %s", never.Client, lockWait).In("history.jsonl"))
	}
	if asked < leastAsked {
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "%d locks were asked for while the other side held it, %d are wanted", asked, leastAsked).In("history.jsonl"))
		return m
	}
	j := judgeModels(ops, consistency.Exclusion, consistency.Linearizable, consistency.BoundedStale,
		consistency.MonotonicReads, consistency.ReadYourWrites, consistency.Untorn, consistency.Durable)
	m.Models = j.Models
	m.Outcomes = append(m.Outcomes, j.Outcomes...)
	if o, lost := lostUpdate(ops); lost {
		m.Outcomes = append(m.Outcomes, o)
	}
	m.Notes = append(m.Notes, fmt.Sprintf("%s: %d of %d locks were asked for while the other side held it", kind, asked, len(held)))
	for _, how := range []string{history.ModeRetried, history.ModeWaiting} {
		if f := outcome.Summarize("ms", waits[how], float64(errNS)/1e6); f != nil {
			m.Notes = append(m.Notes, fmt.Sprintf("%s: from one side's unlock to the other's lock, %s: %s", kind, how, f.Detail()))
		}
	}
	return m
}

// held is one time that a client had the lock.
type held struct {
	lock, unlock *history.Op
}

// holdings pairs the locks with their unlocks, by when they were given.
func holdings(ops []history.Op) []held {
	var out []held
	open := map[string]*history.Op{} // by client
	for _, op := range inOrder(ops) {
		switch {
		case op.Result != history.OK:
		case op.Func == history.Lock:
			open[op.Client] = op
		case op.Func == history.Unlock && open[op.Client] != nil:
			out = append(out, held{open[op.Client], op})
			delete(open, op.Client)
		}
	}
	slices.SortStableFunc(out, func(a, b held) int { return cmp.Compare(a.lock.Return, b.lock.Return) })
	return out
}

func inOrder(ops []history.Op) []*history.Op {
	out := make([]*history.Op, len(ops))
	for i := range ops {
		out[i] = &ops[i]
	}
	slices.SortStableFunc(out, func(a, b *history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	return out
}

// handovers counts the locks that were asked for while the other side had it,
// and measures for those that had to wait, in ms and by how they were asked
// for, from the call of the other side's unlock to the return of the lock.
func handovers(list []held) (asked int, waits map[string][]float64, errNS int64) {
	waits = map[string][]float64{}
	for i, h := range list {
		contested := false
		for k, o := range list {
			if o.lock.Client == h.lock.Client || h.lock.Return < o.lock.Return || h.lock.Invoke > o.unlock.Invoke {
				continue
			}
			contested = true
			if k == i-1 && o.unlock.Invoke <= h.lock.Return {
				waits[h.lock.Mode] = append(waits[h.lock.Mode], float64(h.lock.Return-o.unlock.Invoke)/1e6)
				errNS = max(errNS, h.lock.ErrNS+o.unlock.ErrNS)
			}
		}
		if contested {
			asked++
		}
	}
	return asked, waits, errNS
}

// unanswered is a lock that was never given, nil if there is none.
func unanswered(ops []history.Op) *history.Op {
	for i := range ops {
		if ops[i].Func == history.Lock && ops[i].Result == history.Unknown {
			return &ops[i]
		}
	}
	return nil
}

// lostUpdate finds two rewrites of the register that began from one value: the
// later of them did not know of the earlier.
func lostUpdate(ops []history.Op) (outcome.Outcome, bool) {
	from := map[string]*history.Op{} // rewrites by the value they began from
	seen := map[string]string{}      // by client: what it read last
	var first []*history.Op
	lost := 0
	for _, op := range inOrder(ops) {
		if op.Result != history.OK || op.Mode != history.ModeLocked {
			continue
		}
		switch op.Func {
		case history.Read:
			seen[op.Client] = op.Value
		case history.Write:
			value := seen[op.Client]
			delete(seen, op.Client)
			if value == "" {
				continue
			}
			if earlier := from[value]; earlier != nil {
				lost++
				if first == nil {
					first = []*history.Op{earlier, op}
				}
			}
			from[value] = op
		}
	}
	if lost == 0 {
		return outcome.Outcome{}, false
	}
	return outcome.New(outcome.LostUpdate, "%d times two rewrites began from one value: first %s and %s", lost, first[0].Value, first[1].Value).In("history.jsonl"), true
}
