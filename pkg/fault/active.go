package fault

import (
	"cmp"
	"context"
	"sync"

	"github.com/nfsim/nfsim/pkg/agent/mono"
)

// Active is a fault that is in effect. Heal it.
type Active struct {
	injector *Injector
	spec     Spec

	heal   sync.Mutex // one heal at a time
	healed bool

	mu     sync.Mutex
	record Record
}

// Record returns what is known of the fault so far.
func (a *Active) Record() Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record
}

func (a *Active) set(change func(*Record)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.record)
}

// Heal undoes the fault, proves it, disarms the machine's timer and closes the
// fault in the journal. It has its own deadline and goes on when ctx is
// cancelled: a trial that was given up must be healed all the same. On failure
// the error is a *NotUndoneError, the fault stays open in the journal, and
// Heal may be called again; after a success it does nothing.
func (a *Active) Heal(ctx context.Context) error {
	a.heal.Lock()
	defer a.heal.Unlock()
	if a.healed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.spec.HealWithin)
	defer cancel()
	a.set(func(r *Record) { r.HealStart = mono.Now() })
	seen := ""
	if a.spec.SeenUndone != nil {
		var err error
		if seen, err = awaitSeen(ctx, a.spec.SeenUndone); err != nil {
			err = &NotUndoneError{ID: a.spec.ID, Name: a.spec.Name, Machine: a.spec.Machine, Evidence: seen, Err: err}
			a.set(func(r *Record) { r.Error = err.Error() })
			return err
		}
	}
	res, err := heal(ctx, a.injector.journal, a.injector.shell, Entry{
		ID: a.spec.ID, Machine: a.spec.Machine, Name: a.spec.Name,
		Undo: a.spec.Undo, Untaint: a.spec.Untaint, ProveUndone: a.spec.ProveUndone,
	})
	a.set(func(r *Record) {
		r.HealedAt, r.ProofUndone, r.FiredByNode = res.healedAt, cmp.Or(res.proof, seen), res.fired
	})
	if err != nil {
		a.set(func(r *Record) { r.Error = err.Error() })
		a.injector.logf("fault %s on %s: not undone: %v", a.spec.Name, a.spec.Machine, err)
		return err
	}
	a.healed = true
	a.injector.logf("fault %s on %s: healed", a.spec.Name, a.spec.Machine)
	return nil
}
