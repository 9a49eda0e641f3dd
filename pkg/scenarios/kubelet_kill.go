package scenarios

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
)

// The modes of kubelet-kill.
const (
	modeKill   = "kill"   // SIGKILL; systemd starts it again
	modeFreeze = "freeze" // SIGSTOP, later SIGCONT: its connections, timers and leases go stale
)

func kubeletKill() Scenario {
	return Scenario{
		Name: "kubelet-kill", Family: FamilyKubelet, Target: true, Cells: 3, Estimate: 150 * time.Second, FullEstimate: 300 * time.Second,
		Doc:     "a pod writes, the kubelet is killed (SIGKILL) and started by systemd; then it is frozen (SIGSTOP) and thawed (SIGCONT); a full run also kills it in the midst of a mount and of an unmount",
		Decides: "as kubelet-restart, for a kubelet that had no chance to tidy up, and for one that believes that no time has passed; half-made mounts",
		Modes:   []string{modeKill, modeFreeze, modeMidMount, modeMidUnmount},
		Drive:   driveKubeletKill,
		Judge:   judgeKubeletKill,
	}
}

// kubeletKillFaults are the names that the modes' faults record.
func kubeletKillFaults() map[string]string {
	return map[string]string{modeKill: "kubelet-kill", modeFreeze: "kubelet-freeze"}
}

func driveKubeletKill(ctx context.Context, b *Batch) error {
	specs := []fault.Spec{fault.KubeletKill(b.Target.Name, b.Target.Kubelet()), fault.KubeletFreeze(b.Target.Name, b.Target.Kubelet())}
	modes := []string{modeKill, modeFreeze}
	return b.withPodsOf(ctx, podsPlan{pods: []podPlan{{file: modes[0]}}}, func(ctx context.Context, k *kube.Client) error {
		for i, mode := range modes {
			if i > 0 {
				err := b.each(ctx, "write: "+mode, func(ctx context.Context, c *Cell) error { return b.appendTo(ctx, c.workload, mode) })
				if err != nil {
					return err
				}
			}
			if err := b.kubeletAway(ctx, k, specs[i], mode); err != nil {
				return err
			}
		}
		if !b.Full {
			return nil
		}
		if err := b.killMidMount(ctx, k); err != nil {
			return err
		}
		return b.killMidUnmount(ctx, k)
	})
}

// appendTo has a pod whose writer has ended write to another file.
func (b *Batch) appendTo(ctx context.Context, w *workload, file string) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	if _, err := w.arrivals.stop(ctx); err != nil {
		return err
	}
	w.plan.file, w.arrivals = file, nil
	return b.startAppending(ctx, w)
}

func judgeKubeletKill(e *Evidence) Judgement {
	var j Judgement
	for _, mode := range []string{modeKill, modeFreeze} {
		of := *e
		of.Ops = opsOf(e.Ops, mode)
		away, _ := judgeKubeletAway(&of, kubeletKillFaults()[mode], mode)
		j.Modes = append(j.Modes, Mode{Name: mode, Outcomes: away.Outcomes, Models: away.Models, Notes: away.Notes})
	}
	for _, midway := range []func(*Evidence) (Mode, bool){judgeMidMount, judgeMidUnmount} {
		if m, ok := midway(e); ok {
			j.Modes = append(j.Modes, m)
		}
	}
	j.Outcomes = judgeLedger(e)
	return j
}
