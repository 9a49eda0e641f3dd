package fault

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Defaults of the durations in a Spec.
const (
	DefaultDeadman     = 10 * time.Minute
	DefaultProveWithin = 60 * time.Second
	DefaultHealWithin  = 120 * time.Second
)

// Spec is one fault on one machine. Every script is POSIX shell run as root,
// and every script is bounded by a deadline: it must not wait for longer than
// it needs to.
type Spec struct {
	// ID names the fault in the journal, the node's timer and whatever the
	// scripts leave behind (an nft table, a note in NoteDir). Letters, digits and
	// dashes. Inject makes one when it is empty.
	ID string
	// Name says what is broken, as in "kubelet-stop".
	Name string
	// Machine is the machine's name in the lab.
	Machine string
	// Inject breaks it. Exit status 0 means that the command was accepted, not
	// that the effect is there.
	Inject string
	// Do breaks it from outside the machine (a power reset, a link), in place
	// of Inject. It is not journalled: only Undo is.
	Do func(ctx context.Context) error
	// Undo puts it right. It must be idempotent, and right to run at any time,
	// the fault injected or not. Empty only for a fault that has no undo (a
	// power reset); such a fault gets no dead-man's switch.
	Undo string
	// Untaint is what Do put on the Kubernetes node Machine, in place of Undo: it is
	// taken off at the API server, which the machine cannot do by itself. Such a
	// fault gets no dead-man's switch.
	Untaint *corev1.Taint
	// Prove exits 0 and prints evidence once the effect is there. It is polled.
	Prove string
	// Seen proves the effect from outside the machine (an API), in place of Prove:
	// it returns no error once the effect is there. It is polled.
	Seen func(ctx context.Context) (evidence string, err error)
	// ProveUndone exits 0 and prints evidence once the effect is gone. It is polled.
	ProveUndone string
	// SeenUndone is to ProveUndone what Seen is to Prove. Only Heal asks it, the
	// journal does not know it.
	SeenUndone func(ctx context.Context) (evidence string, err error)
	// Deadman is how long after arming the machine undoes the fault by itself.
	// Zero means DefaultDeadman.
	Deadman time.Duration
	// ProveWithin bounds the proof, from the end of Inject, which has the same time
	// or that of any script, if longer. Zero means DefaultProveWithin.
	ProveWithin time.Duration
	// HealWithin bounds Undo and its proof. Zero means DefaultHealWithin.
	HealWithin time.Duration
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// withDefaults fills in what is zero and refuses what cannot work.
func (s Spec) withDefaults() (Spec, error) {
	if s.ID == "" {
		s.ID = NewID()
	}
	if s.Deadman == 0 {
		s.Deadman = DefaultDeadman
	}
	if s.ProveWithin == 0 {
		s.ProveWithin = DefaultProveWithin
	}
	if s.HealWithin == 0 {
		s.HealWithin = DefaultHealWithin
	}
	switch {
	case !idPattern.MatchString(s.ID):
		return s, fmt.Errorf("check fault %q: id %q is not letters, digits and dashes", s.Name, s.ID)
	case s.Name == "" || s.Machine == "":
		return s, errors.New("check fault: name and machine are required")
	case (s.Inject == "") == (s.Do == nil):
		return s, fmt.Errorf("check fault %q: exactly one of Inject and Do is required", s.Name)
	case s.Prove == "" && s.Seen == nil:
		return s, fmt.Errorf("check fault %q: a fault without a proof is no fault", s.Name)
	case s.Prove != "" && s.Seen != nil || s.ProveUndone != "" && s.SeenUndone != nil:
		return s, fmt.Errorf("check fault %q: a proof is either the machine's or from outside of it", s.Name)
	case s.Untaint != nil && (s.Do == nil || s.Undo != "" || s.Untaint.Key == "" || s.Untaint.Effect == ""):
		return s, fmt.Errorf("check fault %q: a taint needs a key and an effect, is put on by Do and undone by nothing else", s.Name)
	case s.Undo == "" && s.Do == nil:
		return s, fmt.Errorf("check fault %q: undo is required", s.Name)
	case s.Undo != "" && s.Deadman <= s.ProveWithin:
		return s, fmt.Errorf("check fault %q: dead-man's switch after %s would fire before the proof's deadline of %s", s.Name, s.Deadman, s.ProveWithin)
	}
	return s, nil
}
