package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// pauseTolerated is the longest time between two successes that still counts
// as uninterrupted: what a busy emulated machine shows with no fault at all.
const pauseTolerated = 2 * time.Second

// continuity is how the operations of one kind, one after the other on one
// client, went on through an outage.
type continuity struct {
	what    string // "append" or "read", for a person
	ops     []history.Op
	outage  outage
	grace   int64 // the server's NFSv4 grace period in ns, 0: the fault starts none
	options map[string]string
}

// failures are the operations that were answered with an error after the cut.
func (c continuity) failures() []history.Op {
	var out []history.Op
	for _, op := range c.ops {
		if op.Errno != "" && op.Return >= c.outage.cut {
			out = append(out, op)
		}
	}
	return out
}

// gap is the longest time between two successes that touches the outage, or
// comes after it, and when it ended. ended is false when no success came after
// the outage.
func (c continuity) gap() (length, end int64, ended bool) {
	var last int64
	for _, op := range c.ops {
		if op.Result != history.OK {
			continue
		}
		if last > 0 && op.Return >= c.outage.cut && op.Return-last > length {
			length, end = op.Return-last, op.Return
		}
		ended = ended || op.Return > c.outage.healing && op.Invoke > c.outage.cut || op.Return > c.outage.healed
		last = op.Return
	}
	return length, end, ended
}

// outcomes are what the application was told: each error once, and whether and
// when it went on.
func (c continuity) outcomes() []outcome.Outcome {
	var out []outcome.Outcome
	words := map[string]outcome.Word{"EIO": outcome.EIO, "ETIMEDOUT": outcome.ETimedOut, "ESTALE": outcome.EStale}
	failed := c.failures()
	told := map[string]bool{}
	for _, op := range failed {
		if told[op.Errno] {
			continue
		}
		told[op.Errno] = true
		word, known := words[op.Errno]
		if !known {
			word = outcome.EIO // any other error is as much of a failure
		}
		out = append(out, outcome.New(word, "%s, %s after it was called, the first at %s the cut", c.operation(op), op.Errno+" "+seconds(op.Return-op.Invoke), beforeOrAfter(op.Invoke-c.outage.cut)))
	}
	length, end, ended := c.gap()
	switch {
	case !ended && len(failed) == 0:
		out = append(out, outcome.New(outcome.Hung, "no %s succeeded again in the time that was watched", c.what))
	case !ended:
		// The errors say it.
	case length <= int64(pauseTolerated):
		out = append(out, outcome.New(outcome.Uninterrupted, "longest time between two %ss that succeeded %s", c.what, seconds(length)))
	default:
		word := outcome.Recovered
		if c.grace > 0 && end-c.outage.acting >= c.grace {
			word = outcome.RecoveredAfterGrace
		}
		out = append(out, outcome.New(word, "%ss: longest time between two that succeeded %s, until %s after the fault was in effect", c.what, seconds(length), seconds(end-c.outage.acting)).
			WithFigure(outcome.Seconds(float64(length)/1e9, float64(c.errNS())/1e9)))
	}
	for i := range out {
		out[i] = out[i].From(c.client()).In("history.jsonl")
	}
	return out
}

func (c continuity) operation(op history.Op) string {
	if op.Func == history.Append {
		return fmt.Sprintf("append of record %d", op.Seq)
	}
	return c.what
}

func (c continuity) client() string {
	if len(c.ops) == 0 {
		return c.what
	}
	return c.ops[0].Client
}

func (c continuity) errNS() int64 {
	var worst int64
	for _, op := range c.ops {
		worst = max(worst, op.ErrNS)
	}
	return worst
}

// notes are the figures: how long calls hung while the server could not be
// reached, how long after its return they went on, and after how long those that
// gave up did.
func (c continuity) notes() []string {
	var notes []string
	o := c.outage
	for _, op := range c.ops {
		if op.Invoke <= o.healing && op.Return > o.healing && op.Return-op.Invoke > int64(pauseTolerated) {
			notes = append(notes, fmt.Sprintf("%s: hung while cut %s", c.operation(op), seconds(o.healing-max(op.Invoke, o.cut))))
			break
		}
	}
	if tail, ok := c.tail(); ok {
		notes = append(notes, fmt.Sprintf("%ss: tail after healing %s", c.what, tail.Detail()))
	}
	var gaveUp []float64
	for _, op := range c.failures() {
		if op.Errno == "EIO" || op.Errno == "ETIMEDOUT" {
			gaveUp = append(gaveUp, float64(op.Return-op.Invoke)/1e9)
		}
	}
	if f := outcome.Summarize("s", gaveUp, float64(2*c.errNS())/1e9); f != nil {
		text := fmt.Sprintf("%ss: from the call to the error %s", c.what, f.Detail())
		if major := majorTimeout(c.options); major > 0 {
			text += fmt.Sprintf("; timeo x (retrans + 1) is %g s", major.Seconds())
		}
		notes = append(notes, text)
	}
	return notes
}

// tail is how long after its healing the outage still lasted for the client: up
// to the first success. The healing itself took some time, which is the error.
func (c continuity) tail() (*outcome.Figure, bool) {
	o := c.outage
	blocked := false
	for _, op := range c.ops {
		if op.Return <= o.healing {
			blocked = blocked || op.Result != history.OK && op.Return > o.cut
			continue
		}
		blocked = blocked || op.Invoke < o.healing
		if op.Result != history.OK {
			continue
		}
		if !blocked {
			return nil, false
		}
		middle := o.healing + (o.healed-o.healing)/2
		return outcome.Seconds(max(0, float64(op.Return-middle)/1e9), float64((o.healed-o.healing)/2+op.ErrNS)/1e9), true
	}
	return nil, false
}

// majorTimeout is after how long a soft mount gives up as nfs(5) has it: timeo,
// in tenths of a second, times retrans + 1. 0 when the options do not say.
func majorTimeout(options map[string]string) time.Duration {
	timeo, err1 := strconv.Atoi(options["timeo"])
	retrans, err2 := strconv.Atoi(options["retrans"])
	_, soft := options["soft"]
	_, softerr := options["softerr"]
	if err1 != nil || err2 != nil || !soft && !softerr {
		return 0
	}
	return time.Duration(timeo) * 100 * time.Millisecond * time.Duration(retrans+1)
}

// judgeContest says what became of the lock.
func judgeContest(ops []history.Op, o outage) outcome.Outcome {
	locks := slices.DeleteFunc(slices.Clone(ops), func(op history.Op) bool { return op.Lane != laneHolder && op.Lane != laneRival })
	refusedAfter := false
	var used *history.Op
	for i := range locks {
		op := &locks[i]
		switch {
		case op.Func == history.Write:
			used = op
		case op.Func != history.Lock || op.Lane != laneRival:
		case op.Result == history.OK && op.Return < o.cut:
			return outcome.New(outcome.TwoWriters, "%s was given the lock before any fault while the other client held it: locks stay on each client", op.Client).
				From(op.Client).In("history.jsonl")
		case op.Result == history.OK:
			return outcome.New(outcome.LockLost, "%s was given the lock %s after the fault while its holder believed to have it; %s", op.Client, seconds(op.Return-o.cut), usedLock(locks)).
				From(op.Client).In("history.jsonl")
		case op.Result == history.Fail && op.Return > o.healed:
			refusedAfter = true
		}
	}
	switch {
	case used != nil && used.Result != history.OK && refusedAfter:
		return outcome.New(outcome.LockLost, "the holder's next write under the lock failed with %s", orHung(used.Errno)).From(used.Client).In("history.jsonl")
	case !refusedAfter || used == nil:
		return outcome.New(outcome.Inconclusive, "nobody was refused the lock after the fault, or its holder never used it").In("history.jsonl")
	default:
		return outcome.New(outcome.Exclusive, "the lock was refused to the other client after the fault, and its holder wrote under it").
			From(used.Client).In("history.jsonl")
	}
}

// usedLock says whether the holder was told that the lock is lost.
func usedLock(locks []history.Op) string {
	for _, op := range locks {
		if op.Func == history.Write && op.Lane == laneHolder {
			if op.Result == history.OK {
				return "its next write under the lock was accepted"
			}
			return "its next write under the lock failed with " + orHung(op.Errno)
		}
	}
	return "it did not use it any more"
}
