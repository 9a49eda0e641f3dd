package scenarios

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
)

// The modes of server-pod-deleted.
const (
	modePodGraceful = "graceful" // deleted with its grace period: the server ends by itself
	modePodForce    = "force"    // grace 0: the API forgets the pod at once, the kubelet ends it
	modePodKill     = "kill-9"   // SIGKILL to the server; its kubelet starts it again in the same pod
)

func serverPodDeleted() Scenario {
	return Scenario{
		Name: "server-pod-deleted", Family: FamilyShare, Profiles: shareProfiles(), Target: true, Quiet: true, Estimate: 250 * time.Second,
		Doc:     "the pod of an NFS server is deleted with its grace period, by force, or its process killed, while clients append, read and hold a lock; its reconciler or kubelet brings it back at its address",
		Decides: "gap in s, is the lock reclaimed in the grace period, is every acknowledged record and a large file kept",
		Modes:   []string{modePodGraceful, modePodForce, modePodKill},
		Drive:   driveServerPodDeleted,
		Judge:   judgeServerPodDeleted,
	}
}

func driveServerPodDeleted(ctx context.Context, b *Batch) error {
	return b.withShares(ctx, func(ctx context.Context, s *shares) error {
		for _, l := range []loss{
			{mode: modePodGraceful, rivals: true, do: s.deletePods(nil)},
			{mode: modePodForce, rivals: true, do: s.deletePods(new(int64))},
			{mode: modePodKill, rivals: true, do: func(ctx context.Context, servers map[*Cell]serverProcess) error {
				return fault.Kill(b.targetNode, processes(servers)...)(ctx)
			}},
		} {
			if err := s.lose(ctx, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// deletePods deletes the servers' pods, with their own grace period when grace is
// nil.
func (s *shares) deletePods(grace *int64) func(ctx context.Context, servers map[*Cell]serverProcess) error {
	return func(ctx context.Context, servers map[*Cell]serverProcess) error {
		cells := slices.Collect(maps.Keys(servers))
		return atOnce(len(cells), func(i int) error {
			_, err := s.k.DeletePod(withScribe(ctx, cells[i]), s.b.namespace(), cells[i].shareName(), grace)
			return err
		})
	}
}

func judgeServerPodDeleted(e *Evidence) Judgement {
	var j Judgement
	for _, mode := range serverPodDeleted().Modes {
		if m, ok := judgeInterruption(e, mode, e.Run.GraceS, judgeServerReplaced); ok {
			j.Modes = append(j.Modes, withLarge(e, m))
		}
	}
	j.Outcomes = judgeLedger(e)
	return j
}
