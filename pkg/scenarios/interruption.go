package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// interruption is a fault that keeps clients from the server for a while, and
// the mode that it is.
type interruption struct {
	mode  string
	spec  fault.Spec    // recorded under the mode's name
	lasts time.Duration // from its proof to its healing
	// undo undoes what no script on a machine can, before the fault is healed; nil
	// when there is nothing of the kind. It may be called again.
	undo   func(ctx context.Context) error
	reader *vantage
}

// Observations that hold the moments in which a fault came and went: it took
// effect between injectBegins and its ProvenAt, and ended between healBegins and
// its HealedAt. The subject is the mode.
const (
	injectBegins = "inject-begins"
	healBegins   = "heal-begins"
)

// interrupt runs a load through the fault, for every cell at once: the rival
// asks for the lock all the time, from the fault on; what goes on after it is
// waited for; then the holder uses its lock, everything is given back, and the
// truth is read.
func (b *Batch) interrupt(ctx context.Context, in interruption) error {
	loads, err := b.startLoads(ctx, in.mode, in.reader)
	if err != nil {
		return err
	}
	before, err := b.connects(ctx, b.Target)
	if err != nil {
		return err
	}
	in.spec.Name = in.mode
	b.nowAll(injectBegins, in.mode)
	heal, err := b.injectUndone(ctx, in)
	if err != nil {
		return err
	}
	defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
	quit := make(chan struct{})
	contested := make(chan error, 1)
	go func() {
		contested <- b.eachLoad(ctx, "contest the lock", loads, func(ctx context.Context, l *load) error { return l.lock.wrest(ctx, quit) })
	}()
	err = b.outlast(ctx, in, loads, heal)
	close(quit)
	if err := errors.Join(err, <-contested); err != nil {
		return err
	}
	if err := b.noteReconnects(ctx, b.Target, in.mode, before); err != nil {
		return err
	}
	return b.eachLoad(ctx, "use the lock, end the load", loads, func(ctx context.Context, l *load) error {
		if err := l.lock.useLock(ctx, in.mode+"-end"); err != nil {
			return err
		}
		if err := errors.Join(l.stop(ctx), l.lock.end(ctx, l.lock.holder, l.lock.rival)); err != nil {
			return err
		}
		return l.cell.diskTruth(ctx, b.on(b.server()), l.file(loadLog))
	})
}

// outlast waits until the fault has lasted as long as it is to, heals it, and
// waits until the loads go on.
func (b *Batch) outlast(ctx context.Context, in interruption, loads map[*Cell]*load, heal func(context.Context) error) error {
	b.Phase(fmt.Sprintf("%s for %s", in.mode, in.lasts))
	note(ctx, rundir.Step{Do: rundir.DoWait, WithinNS: in.lasts.Nanoseconds()})
	over := time.NewTimer(in.lasts)
	defer over.Stop()
	stop := waiting(ctx)
	select {
	case <-ctx.Done():
	case <-over.C:
	}
	stop()
	b.nowAll(healBegins, in.mode)
	if err := heal(ctx); err != nil {
		return err
	}
	if err := b.keep(ctx, b.server(), nfsdStates(), in.mode); err != nil {
		return err
	}
	return b.eachLoad(ctx, "await that it goes on", loads, func(ctx context.Context, l *load) error {
		return goOn(ctx, l.appends, l.reads)
	})
}

// injectUndone is inject, with the interruption's own undo before the fault's.
func (b *Batch) injectUndone(ctx context.Context, in interruption) (heal func(context.Context) error, err error) {
	undo := in.undo
	if undo == nil {
		undo = func(context.Context) error { return nil }
	}
	healed, err := b.inject(ctx, in.spec)
	if err != nil {
		return nil, errors.Join(err, undo(context.WithoutCancel(ctx)))
	}
	return func(ctx context.Context) error { return errors.Join(undo(ctx), healed(ctx)) }, nil
}

// nowAll notes in every cell that the controller does something now.
func (b *Batch) nowAll(event, subject string) {
	for _, c := range b.Cells {
		c.now("controller", event, subject, "")
	}
}

// outage is when an interruption was, in ns on the controller's clock.
type outage struct {
	cut     int64 // its injection began
	acting  int64 // it had been injected
	proven  int64 // and was seen to have taken effect
	healing int64 // its healing began
	healed  int64 // and was seen to have taken effect
}

// outageOf reads when the mode's fault was. ok is false with an outcome that
// says what is missing.
func outageOf(e *Evidence, mode string) (o outage, no outcome.Outcome, ok bool) {
	f, found := e.fault(mode)
	if !found || !f.Proven {
		return o, outcome.New(outcome.NoFault, "fault %s was not proven to take effect: %s", mode, f.Error).In("faults.jsonl"), false
	}
	if f.HealedAt == 0 {
		return o, outcome.New(outcome.Inconclusive, "fault %s was not healed: %s", mode, f.Error).In("faults.jsonl"), false
	}
	o = outage{cut: f.InjectedAt, acting: f.InjectedAt, proven: f.ProvenAt, healing: f.HealedAt, healed: f.HealedAt}
	if begins, ok := e.First(injectBegins, mode); ok {
		o.cut = min(begins.T, f.InjectedAt)
	}
	if begins, ok := e.First(healBegins, mode); ok {
		o.healing = min(begins.T, f.HealedAt)
	}
	return o, outcome.Outcome{}, true
}

// vacuity says whether the fault of a mode did hit a cell; the outcome says why
// not.
type vacuity func(e *Evidence, mode string, appends []history.Op, o outage) (outcome.Outcome, bool)

// judgeInterruption judges one mode: what became of the records, how the writer
// and the reader went on, and of the lock. ok is false when the trial has no
// such mode.
//
// graceS is the grace period in seconds that the fault makes the server begin, 0
// for none.
func judgeInterruption(e *Evidence, mode string, graceS float64, hit vacuity) (m Mode, ok bool) {
	ops := opsOf(e.Ops, mode)
	if _, injected := e.fault(mode); !injected && len(ops) == 0 {
		return Mode{}, false
	}
	m = Mode{Name: mode}
	o, no, ok := outageOf(e, mode)
	if !ok {
		m.Outcomes = []outcome.Outcome{no}
		return m, true
	}
	appends := funcOps(ops, history.Append)
	if no, ok := hit(e, mode, appends, o); !ok {
		m.Outcomes = []outcome.Outcome{no}
		return m, true
	}
	if n := ackedUntil(appends, o.cut); n < calmRounds {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the fault, %d are wanted", n, calmRounds).In("history.jsonl")}
		return m, true
	}
	kept := judgeLog(ops, mode+"/"+loadLog)
	m.Models, m.Outcomes = kept.Models, kept.Outcomes
	for _, who := range []struct{ name, fn string }{{"append", history.Append}, {"read", history.Read}} {
		c := continuity{what: who.name, ops: funcOps(ops, who.fn), outage: o, grace: int64(graceS * 1e9), options: e.Trial.Granted}
		m.Outcomes = append(m.Outcomes, c.outcomes()...)
		m.Notes = append(m.Notes, c.notes()...)
	}
	m.Outcomes = append(m.Outcomes, judgeContest(ops, o))
	if n, ok := e.reconnects(mode); ok {
		m.Notes = append(m.Notes, fmt.Sprintf("%d new connections of the writer's client", n))
	}
	return m, true
}

// judgeLog compares the records that were acknowledged with those on the disk.
func judgeLog(ops []history.Op, file string) Judgement {
	j := judgeModels(opsOf(ops, file), consistency.Durable, consistency.AppendLog)
	j.Outcomes = oncePerWord(j.Outcomes)
	return j
}

// oncePerWord keeps the first outcome of each word.
func oncePerWord(list []outcome.Outcome) []outcome.Outcome {
	seen := map[outcome.Word]bool{}
	var out []outcome.Outcome
	for _, o := range list {
		if !seen[o.Word] {
			seen[o.Word] = true
			out = append(out, o)
		}
	}
	return out
}

// funcOps returns the operations of one function, by their invocation.
func funcOps(ops []history.Op, fn string) []history.Op {
	var out []history.Op
	for i := range ops {
		if ops[i].Func == fn {
			out = append(out, ops[i])
		}
	}
	slices.SortStableFunc(out, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	return out
}

// ackedUntil counts the operations that had succeeded by t.
func ackedUntil(ops []history.Op, t int64) int {
	n := 0
	for i := range ops {
		if _, ret := ops[i].Wide(); ops[i].Result == history.OK && ret <= t {
			n++
		}
	}
	return n
}
