package scenarios

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// PausePoint is a phase of a trial right before which it can stand still.
type PausePoint string

// The phases, in their order. There may be several faults in a trial: it stands
// still before each.
const (
	PauseSetup    PausePoint = "setup"    // mounts, claims, pods
	PauseFault    PausePoint = "fault"    // a fault is injected; nothing is armed yet
	PauseRecovery PausePoint = "recovery" // a fault is undone
	PauseTeardown PausePoint = "teardown" // everything is put back
)

// PausePoints lists them.
func PausePoints() []PausePoint {
	return []PausePoint{PauseSetup, PauseFault, PauseRecovery, PauseTeardown}
}

const (
	// LongestPause bounds one pause.
	LongestPause = 2 * time.Hour
	// pausedDeadman is when a machine undoes by itself the faults of a trial that
	// may pause: not while a person looks.
	pausedDeadman = 12 * time.Hour
)

// Pauser lets a trial stand still before a phase.
type Pauser struct {
	At PausePoint
	// Wait tells a person how things stand and returns when they are done. The
	// error ends the trial, and everything is put back.
	Wait func(ctx context.Context, p Pausing) error

	mu sync.Mutex
}

// Pausing is what a person is told when a trial stands still.
type Pausing struct {
	Before PausePoint
	Next   string // what happens then, as in "fault kubelet-stop is injected on worker1"
	Lines  []string
}

type noPauseKey struct{}

// withoutPauses returns a context for what puts things back: nobody is asked to
// look any more.
func withoutPauses(ctx context.Context) context.Context {
	return context.WithValue(ctx, noPauseKey{}, true)
}

// pauseBefore stands still if this is where it was asked to. What puts things
// back after a failure is not kept waiting: its context cannot end, or it is that
// of the teardown.
func (b *Batch) pauseBefore(ctx context.Context, at PausePoint, cells []*Cell, next string) error {
	if b.Pause == nil || b.Pause.At != at || ctx.Done() == nil || ctx.Value(noPauseKey{}) != nil {
		return nil
	}
	// One at a time, where several pods of a cell come to this point at once.
	b.Pause.mu.Lock()
	defer b.Pause.mu.Unlock()
	b.Phase("paused before: " + next)
	began := agent.Mono()
	for _, c := range cells {
		c.Trial.Update(func(m *rundir.TrialMeta) {
			m.Pauses = append(m.Pauses, rundir.Pause{Before: string(at), BeganNS: began})
		})
	}
	bounded, cancel := context.WithTimeout(ctx, LongestPause)
	defer cancel()
	if err := b.Pause.Wait(bounded, Pausing{Before: at, Next: next, Lines: b.howItStands(cells)}); err != nil {
		return fmt.Errorf("pause before %s: %w", at, err)
	}
	ended := agent.Mono()
	for _, c := range cells {
		c.Trial.Update(func(m *rundir.TrialMeta) { m.Pauses[len(m.Pauses)-1].EndedNS = ended })
	}
	return nil
}

// lastingBeyondPauses has the machine wait for longer before it undoes a fault
// by itself, in a trial that may pause.
func (b *Batch) lastingBeyondPauses(spec fault.Spec) fault.Spec {
	if b.Pause != nil {
		spec.Deadman = max(spec.Deadman, pausedDeadman)
	}
	return spec
}

// howItStands says, for a person, where the trial's things are.
func (b *Batch) howItStands(cells []*Cell) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	add("A (what is broken, if a worker is) is %s, B is %s, the server is %s (%s)", b.Target.Name, b.Other.Name, b.server().Name, b.server().Addr)
	for _, c := range cells {
		add("export: %s on %s (%s)", c.Export.Path, b.server().Name, c.Export.Options)
		for _, s := range c.steps.inOrder() {
			switch {
			case s.Do == rundir.DoMount && s.Error == "":
				add("mount: %s on %s", s.Path, s.Machine)
			case s.Do == rundir.DoPod:
				add("pod: %s in namespace %s, on %s; its container is process %d there, its volume is mounted at %s (host) and %s (container)",
					s.Name, b.namespace(), s.Machine, s.Pod.PID, s.Pod.HostMount, s.Pod.Mount)
			case s.Do == rundir.DoAppend && s.Error == "":
				add("writer: %s appends to %s every %s", s.Name, s.Path, time.Duration(s.EveryNS))
			}
		}
	}
	return lines
}
