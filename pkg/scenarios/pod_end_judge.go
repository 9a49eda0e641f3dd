package scenarios

import (
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// podEnd judges how one pod came to its end, from what was seen of it.
type podEnd struct {
	label  string        // of the pod; "" is the cell's first
	client string        // of its records; "" is whoever writes
	since  int64         // what the times in the notes count from, in ns
	what   string        // what happened then
	limit  time.Duration // how long the ends were waited for
}

// outcomes are who wrote for how long, what is left, and in which order the ends
// came. ok is false, with what is missing, when the API never forgot the pod.
func (p podEnd) outcomes(e *Evidence) (out []outcome.Outcome, notes []string, ok bool) {
	apiGone, ok := e.First(eventAPIGone, p.label)
	if !ok {
		return nil, nil, false
	}
	out = append(out, zombie(e, p.client, p.label, apiGone.T))
	dead, hasDead := e.First(eventWriterDead, p.label)
	if !hasDead {
		out = append(out, outcome.New(outcome.Leaked, "the container was still there %s after %s", p.limit, p.what).From("node").In("observations.jsonl"))
	}
	unmounted, hasUnmounted := e.First(eventHostUnmounted, p.label)
	switch {
	case hasUnmounted && (!hasDead || unmounted.T < dead.T):
		early := "the container did not end"
		if hasDead {
			early = fmt.Sprintf("%s before the writer ended", seconds(dead.T-unmounted.T))
		}
		if o, ok := e.First(eventContainerTable, p.label); ok {
			early += "; in the container's own table it was then " + o.Detail
		}
		out = append(out, outcome.New(outcome.UnmountedUnderPod, "the volume left the host's mount table %s", early).From("node").In("observations.jsonl"))
	case p.boundUntil(e, hasDead, dead.T):
		out = append(out, outcome.New(outcome.UnmountedUnderPod, "the subPath's bind mount left the host's mount table while the writer lived, the volume did not").From("node").In("observations.jsonl"))
	case hasUnmounted:
		notes = append(notes, fmt.Sprintf("the volume left the host's mount table %s after the writer ended", seconds(unmounted.T-dead.T)))
	}
	return out, notes, true
}

// boundUntil says whether the pod's subPath was unmounted before its writer had
// ended, if it did.
func (p podEnd) boundUntil(e *Evidence, ended bool, at int64) bool {
	o, ok := e.First(eventSubPathUnmounted, p.label)
	return ok && (!ended || o.T < at)
}

// The zombie clocks: until the last byte of the pod's writer on the server, 0
// when that came before.
const (
	figureFromDelete = "zombie clock from the API's delete"
	figureFromGone   = "zombie clock from the end of the API's object"
)

// figures are the zombie clocks, and after how long each of the ends came.
func (p podEnd) figures(e *Evidence) []rundir.Measure {
	var out []rundir.Measure
	add := func(name string, from, to int64) {
		out = append(out, rundir.Measure{Name: name, Figure: outcome.Seconds(float64(max(to-from, 0))/1e9, float64(e.Trial.ClockErrNS)/1e9)})
	}
	if last, ok := lastArrival(e, p.client); ok {
		if invoked, ok := number(e.Trial.Facts[factDeleteInvoke+p.label]); ok {
			add(figureFromDelete, invoked, last)
		}
		if gone, ok := e.First(eventAPIGone, p.label); ok {
			add(figureFromGone, gone.T, last)
		}
	}
	for _, event := range []string{eventKubeletHealthy, eventSubPathUnmounted, eventHostUnmounted, eventWriterDead, eventPodDirGone, eventAPIGone} {
		subject := p.label
		if event == eventKubeletHealthy {
			subject = ""
		}
		o, ok := e.First(event, subject)
		if ok && o.T > p.since {
			add(event+" after "+p.what, p.since, o.T)
		}
	}
	return out
}

// lastArrival is when the last record of a client, "" is anyone, reached the
// server.
func lastArrival(e *Evidence, client string) (last int64, ok bool) {
	for _, o := range arrivals(e, client) {
		last, ok = max(last, o.T), true
	}
	return last, ok
}

// zombie is the zombie clock: from the moment the API object was gone to the
// last byte of the client that reached the server.
func zombie(e *Evidence, client, label string, apiGone int64) outcome.Outcome {
	var last int64
	before, after := 0, 0
	for _, o := range arrivals(e, client) {
		switch {
		case o.T > apiGone+e.Trial.ClockErrNS:
			last = max(last, o.T)
			after++
		default:
			before++
		}
	}
	if acked := ackedAfter(e.Ops, client, apiGone); before == 0 || after == 0 && acked > 0 {
		return outcome.New(outcome.Inconclusive, "%d records were seen to arrive before the API had forgotten the pod and %d after, when %d were acknowledged after", before, after, acked).
			In("observations.jsonl", "history.jsonl")
	}
	if after == 0 {
		return outcome.New(outcome.Exclusive, "no record reached the server after the API had forgotten the pod").From("api", "disk").In("observations.jsonl")
	}
	figure := outcome.Seconds(float64(last-apiGone)/1e9, float64(e.Trial.ClockErrNS)/1e9)
	text := fmt.Sprintf("%d records reached the server after the API had forgotten the pod, the last %s after", after, seconds(last-apiGone))
	if invoked, ok := number(e.Trial.Facts[factDeleteInvoke+label]); ok {
		text += fmt.Sprintf(" (%s after the delete was asked for)", seconds(last-invoked))
	}
	return outcome.New(outcome.ZombieWriter, "%s", text).WithFigure(figure).From("api", "disk").In("observations.jsonl")
}

// ackedAfter counts a client's appends that surely began after t and were
// acknowledged; an empty client is anyone.
func ackedAfter(ops []history.Op, client string, t int64) int {
	n := 0
	for i := range ops {
		op := &ops[i]
		if client != "" && op.Client != client || op.Func != history.Append || op.Result != history.OK {
			continue
		}
		if begin, _ := op.Wide(); begin > t {
			n++
		}
	}
	return n
}
