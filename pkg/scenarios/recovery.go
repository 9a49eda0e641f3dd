package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// What does not go by itself when a trial ends is taken away, from harmless to
// desperate: faults are healed, pods deleted, and waited for; then pods are
// deleted with grace 0, their mounts unmounted (plainly, with -f, with -l), and
// at last the machine is reset. What it took is recorded, and part of the
// outcome.
const (
	// recoveryFact begins the name of a fact that a trial did not end by itself: a
	// word of the ladder, and on what, follow. It is why.
	recoveryFact = "recovery "
	// The words.
	tookForceDelete = "force-delete"
	tookReset       = "reset"
	tookNothing     = "nothing" // nfsim has no power over the machine

	// podGoneTimeout is how long a pod that was deleted at the trial's end gets to
	// leave the API, beyond its grace period.
	podGoneTimeout = 2 * time.Minute
	// faultRecovery is the name under which the reset of a machine that nothing else
	// brings back is recorded.
	faultRecovery = "recovery-reset"
)

// mountLeft notes what it took to unmount something that did not go by itself.
// That nothing did it is no error but a machine that has to be reset.
func (b *Batch) mountLeft(c *Cell, m lab.Machine, of string, report nfs.UnmountReport, err error) error {
	var still *nfs.StillMountedError
	switch {
	case errors.As(err, &still):
		c.Trial.SetFact(unmountFact+m.Name+of, moreThanLazy)
		b.wedge(c, m, still)
		return nil
	case err != nil:
		return err
	case report.How != nfs.NotMounted:
		c.Trial.SetFact(unmountFact+m.Name+of, string(report.How))
	}
	return nil
}

// wedge notes that a machine has to be reset, and why, for a cell.
func (b *Batch) wedge(c *Cell, m lab.Machine, why error) {
	b.wedgedMu.Lock()
	defer b.wedgedMu.Unlock()
	if b.wedged == nil {
		b.wedged = map[lab.Machine]map[*Cell]error{}
	}
	if b.wedged[m] == nil {
		b.wedged[m] = map[*Cell]error{}
	}
	if b.wedged[m][c] == nil {
		b.wedged[m][c] = why
	}
}

// Wedged says that a machine had to be reset, or would have had to be, so that
// the lab is not what it was.
func (b *Batch) Wedged() bool {
	b.wedgedMu.Lock()
	defer b.wedgedMu.Unlock()
	return len(b.wedged) > 0
}

// unwedge resets the machines that nothing else brings back. It is called when
// the trial is over and nobody notes wedges any more.
func (b *Batch) unwedge(ctx context.Context) error {
	var err error
	for _, m := range b.machines() {
		cells := b.wedged[m]
		if len(cells) == 0 {
			continue
		}
		took := tookReset
		if _, ok := b.Lab.(lab.Power); !ok {
			took = tookNothing
		}
		for c, why := range cells {
			c.Trial.SetFact(recoveryFact+took+" "+m.Name, why.Error())
		}
		if took == tookReset {
			b.Phase("recovery: reset " + m.Name)
			err = errors.Join(err, b.resetWedged(ctx, m))
		}
	}
	return err
}

// resetWedged resets a machine and waits until it is back, its kubelet too if it
// has one that comes.
func (b *Batch) resetWedged(ctx context.Context, m lab.Machine) error {
	var streams []*follower
	for _, c := range b.Cells {
		for _, w := range c.workloads {
			if w.at == m {
				streams = slices.AppendSeq(streams, maps.Values(w.followed))
			}
		}
	}
	if err := b.resetAs(ctx, faultRecovery, m, streams, nil); err != nil {
		return err
	}
	if b.cluster == nil || m != b.Target {
		return nil
	}
	_, _, err := b.kubeletHealthy(ctx, kubeletTimeout)
	return err
}

// leave waits until a pod that was deleted has left the API, and deletes it with
// grace 0 if it does not.
func (b *Batch) leave(ctx context.Context, k *kube.Client, w *workload) error {
	gone := func(ctx context.Context) error {
		_, err := k.AwaitPodGone(ctx, b.namespace(), w.name(), w.pod.UID)
		return err
	}
	limit := podGoneTimeout + graceOf(w.plan)
	began := agent.Mono()
	left, why, err := within(ctx, limit, gone)
	if err != nil || left {
		return err
	}
	w.cell.Trial.SetFact(recoveryFact+tookForceDelete+" "+w.name(), fmt.Sprintf("still in the API %s after its deletion: %s", seconds(agent.Mono()-began), why))
	if _, err := k.DeletePod(ctx, b.namespace(), w.name(), new(int64)); err != nil {
		return ignoreNotFound(err)
	}
	return gone(ctx)
}

// stillMountedAlone says whether an error is made of nothing but mounts that
// survived every step.
func stillMountedAlone(err error) bool {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return !slices.ContainsFunc(joined.Unwrap(), func(e error) bool { return !stillMountedAlone(e) })
	}
	var still *nfs.StillMountedError
	return errors.As(err, &still)
}

// recoveries are what of a trial did not end by itself, beside the mounts that
// forcedUnmounts knows.
func recoveries(e *Evidence) []outcome.Outcome {
	var out []outcome.Outcome
	for _, fact := range slices.Sorted(maps.Keys(e.Trial.Facts)) {
		for _, step := range []struct {
			took string
			word outcome.Word
			text string
		}{
			{tookForceDelete, outcome.TerminatingStuck, "at the trial's end it took a force delete of pod %s: %v%s"},
			{tookReset, outcome.MountLeft, "at the trial's end it took a reset of %s: %v%s"},
			{tookNothing, outcome.MountLeft, "at the trial's end nothing but a reset would have brought back %s: %v%s"},
		} {
			if what, ok := strings.CutPrefix(fact, recoveryFact+step.took+" "); ok {
				back := ""
				if f, ok := e.fault(faultRecovery); ok && step.took == tookReset && f.Machine == what {
					back = fmt.Sprintf("; it was back %s after", seconds(f.ProvenAt-f.InjectedAt))
				}
				out = append(out, outcome.New(step.word, step.text, what, e.Trial.Facts[fact], back).From("api", "node").In("trial.json", "faults.jsonl"))
			}
		}
	}
	return out
}
