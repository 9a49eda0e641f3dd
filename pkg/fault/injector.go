package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// pollEvery is the shortest pause between two looks at something that is awaited.
const pollEvery = 100 * time.Millisecond

// Nodes returns the connection to a machine, dialled again when the old one
// broke; lab.Lab's Node is one.
type Nodes func(ctx context.Context, machine string) (*sshnode.Node, error)

// Reach is how what a fault breaks is reached.
type Reach struct {
	Nodes Nodes
	// Untaint takes a taint off a node and sees that it is gone; one that is not
	// there is no error. nil: there is no API server, and a fault
	// with a taint stays open.
	Untaint func(ctx context.Context, node string, taint corev1.Taint) (evidence string, err error)
}

// Logf takes one line of progress.
type Logf func(format string, args ...any)

// Injector injects faults into the machines of one lab. It is safe for
// concurrent use; faults that exclude each other are the caller's to keep apart.
type Injector struct {
	journal *Journal
	shell   shell
	logf    Logf
}

// NewInjector returns an injector. A nil logf is silent.
func NewInjector(journal *Journal, reach Reach, logf Logf) *Injector {
	if logf == nil {
		logf = func(string, ...any) {}
	}
	return &Injector{journal: journal, shell: shell{reach}, logf: logf}
}

// InjectError says that the fault could not be set up or its inject command
// failed. Whatever it did has been undone, unless Undo says otherwise.
type InjectError struct {
	Step   string // "journal", "arm" or "inject"
	Record Record
	Err    error
	Undo   error // nil: undone and proven undone, or nothing was done
}

func (e *InjectError) Error() string {
	msg := fmt.Sprintf("%s fault %s on %s: %v", e.Step, e.Record.Name, e.Record.Machine, e.Err)
	if e.Undo != nil {
		msg += fmt.Sprintf("; and its undo failed, run `nfsim heal`: %v", e.Undo)
	}
	return msg
}

func (e *InjectError) Unwrap() error { return e.Err }

// Inject journals the undo, arms the machine's own timer with it, injects the
// fault and proves that it took effect, in this order. The error is an
// *InjectError or a *NotProvenError, and then the fault has been undone,
// whether or not ctx has ended meanwhile.
func (i *Injector) Inject(ctx context.Context, spec Spec) (*Active, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Active{injector: i, spec: spec, record: Record{
		ID: spec.ID, Name: spec.Name, Machine: spec.Machine, Undo: spec.Undo,
	}}
	if t := spec.Untaint; t != nil {
		a.record.Undo = fmt.Sprintf("kubectl taint node %s %s:%s-", spec.Machine, t.Key, t.Effect)
	}
	if spec.Undo != "" {
		a.record.Unit = undoUnit(spec.ID)
	}

	err = i.journal.append(Entry{
		Event: EventOpen, ID: spec.ID, Machine: spec.Machine, Name: spec.Name, Undo: spec.Undo,
		Untaint: spec.Untaint, ProveUndone: spec.ProveUndone, Unit: a.record.Unit, HealWithin: spec.HealWithin,
	})
	if err != nil {
		return nil, a.failed("journal", err, nil)
	}

	if spec.Undo != "" {
		// From here on the undo runs whatever fails: even a failed arming may
		// have left a timer behind, unless nothing could be sent at all.
		var unreachable *unreachableError
		err := i.shell.arm(ctx, spec)
		if errors.As(err, &unreachable) {
			return nil, a.failed("arm", err, i.journal.append(Entry{Event: EventClosed, ID: spec.ID}))
		}
		if err != nil {
			return nil, a.failed("arm", err, a.Heal(ctx))
		}
		if err := i.journal.append(Entry{Event: EventArmed, ID: spec.ID}); err != nil {
			return nil, a.failed("journal", err, a.Heal(ctx))
		}
	}

	a.set(func(r *Record) { r.InjectStart = mono.Now() })
	err = i.act(ctx, spec)
	a.set(func(r *Record) { r.InjectEnd = mono.Now() })
	if err != nil {
		return nil, a.failed("inject", err, a.Heal(ctx))
	}
	if err := i.journal.append(Entry{Event: EventInjected, ID: spec.ID}); err != nil {
		return nil, a.failed("journal", err, a.Heal(ctx))
	}

	evidence, err := i.proof(ctx, spec)
	if err != nil {
		a.set(func(r *Record) { r.Proof, r.Error = evidence, err.Error() })
		i.logf("fault %s on %s: no effect seen, undoing it", spec.Name, spec.Machine)
		undo := a.Heal(ctx)
		return nil, &NotProvenError{
			Name: spec.Name, Machine: spec.Machine, Within: spec.ProveWithin,
			Evidence: evidence, Err: err, Undo: undo, Record: a.Record(),
		}
	}
	a.set(func(r *Record) { r.ProvenAt, r.Proven, r.Proof = mono.Now(), true, evidence })
	i.logf("fault %s on %s: in effect", spec.Name, spec.Machine)
	return a, nil
}

// act injects the fault. It has the time of a script, or that of the proof when
// that is longer.
func (i *Injector) act(ctx context.Context, spec Spec) error {
	ctx, cancel := context.WithTimeout(ctx, max(scriptTimeout, spec.ProveWithin))
	defer cancel()
	if spec.Do != nil {
		return spec.Do(ctx)
	}
	_, err := i.shell.run(ctx, spec.Machine, spec.Inject)
	return err
}

// proof awaits the proof of the effect, for at most ProveWithin.
func (i *Injector) proof(ctx context.Context, spec Spec) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, spec.ProveWithin)
	defer cancel()
	if spec.Seen != nil {
		return awaitSeen(ctx, spec.Seen)
	}
	return i.shell.await(ctx, spec.Machine, spec.Prove)
}

// failed builds the error of a step that failed.
func (a *Active) failed(step string, err, undo error) error {
	a.set(func(r *Record) { r.Error = errors.Join(err, undo).Error() })
	return &InjectError{Step: step, Record: a.Record(), Err: err, Undo: undo}
}
