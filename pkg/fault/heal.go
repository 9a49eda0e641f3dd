package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
)

// Healed is what HealAll did with one open fault.
type Healed struct {
	ID          string
	Name        string
	Machine     string
	Proof       string        // what the proof of the undo printed
	FiredByNode bool          // the machine had undone it by itself
	Took        time.Duration // from sending the undo to the end
	Err         error         // nil: undone, proven and closed
}

// HealAll undoes every fault that is open in the journal, the newest first,
// and goes on past one that fails. A second HealAll on the same lab waits for
// the first. It undoes the faults of a run that is still going on, too: the
// caller holds the lab's use-lock. The error joins those of the report.
func HealAll(ctx context.Context, journal *Journal, reach Reach, logf Logf) (report []Healed, err error) {
	if logf == nil {
		logf = func(string, ...any) {}
	}
	unlock, err := journal.lockHealing(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	open, damaged, err := journal.Open()
	if err != nil {
		return nil, err
	}
	if damaged > 0 {
		logf("%s: %d unreadable lines, cut short by a process that was killed", journal.Path(), damaged)
	}
	var errs []error
	for i := len(open) - 1; i >= 0; i-- {
		h := healEntry(ctx, journal, shell{reach}, open[i])
		if h.Err != nil {
			errs = append(errs, h.Err)
			logf("fault %s (%s) on %s: not undone: %v", h.Name, h.ID, h.Machine, h.Err)
		} else {
			logf("fault %s (%s) on %s: healed", h.Name, h.ID, h.Machine)
		}
		report = append(report, h)
	}
	return report, errors.Join(errs...)
}

func healEntry(ctx context.Context, journal *Journal, sh shell, e Entry) Healed {
	within := e.HealWithin
	if within <= 0 {
		within = DefaultHealWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	start := mono.Now()
	res, err := heal(ctx, journal, sh, e)
	return Healed{
		ID: e.ID, Name: e.Name, Machine: e.Machine, Proof: res.proof, FiredByNode: res.fired,
		Took: time.Duration(mono.Now() - start), Err: err,
	}
}

// healResult is what a heal found.
type healResult struct {
	healedAt int64 // mono, 0 when not proven
	proof    string
	fired    bool
}

// heal undoes one fault, proves it, disarms the timer and closes the fault in
// the journal, in this order: a crash at any point leaves the fault open, and
// the whole may be done again.
func heal(ctx context.Context, journal *Journal, sh shell, e Entry) (healResult, error) {
	var res healResult
	fail := func(evidence string, err error) (healResult, error) {
		nerr := &NotUndoneError{ID: e.ID, Name: e.Name, Machine: e.Machine, Evidence: evidence, Err: err}
		// The journal is told for a person's sake: the fault is open without it.
		if jerr := journal.append(Entry{Event: EventUndoFailed, ID: e.ID, Error: nerr.Error()}); jerr != nil {
			nerr.Err = errors.Join(err, jerr)
		}
		return res, nerr
	}
	// A machine that is out of reach, booting say, may come back in time: the
	// undo is tried again, and so is its proof.
	if script := undoAndProve(e); script != "" {
		out, err := sh.await(ctx, e.Machine, script)
		if err != nil {
			return fail(out, err)
		}
		res.proof = out
	}
	if e.Untaint != nil {
		if sh.Untaint == nil {
			return fail("", errors.New("no API server to take the taint off at"))
		}
		out, err := sh.Untaint(ctx, e.Machine, *e.Untaint)
		if err != nil {
			return fail(out, err)
		}
		res.proof = out
	}
	res.healedAt = mono.Now()
	if e.Undo != "" {
		fired, err := sh.disarm(ctx, e.Machine, e.ID)
		if err != nil {
			return fail("", err)
		}
		res.fired = fired
	}
	if err := journal.append(Entry{Event: EventClosed, ID: e.ID}); err != nil {
		return fail("", err)
	}
	return res, nil
}

// undoAndProve is one script for both, each in a shell of its own, because
// they may exit. What the undo prints is no proof.
func undoAndProve(e Entry) string {
	var b strings.Builder
	if e.Undo != "" {
		fmt.Fprintf(&b, "(\n%s\n) >&2 || exit\n", e.Undo)
	}
	b.WriteString(e.ProveUndone)
	return b.String()
}
