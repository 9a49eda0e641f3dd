package scenarios

import (
	"context"
	"fmt"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// eventMount is a flip of one of a pod's mounts in its node's table: Value is
// "mounted" or "not mounted", Detail the mount point.
const eventMount = "mount"

// followMounts notes the flips of the pod's mounts in its node's table, by the
// kernel's own word (proc(5): poll(2) on mountinfo), until the pod is stopped.
// The table of the container's namespace is not followed: whoever has it open
// keeps the namespace, and so the mount, alive.
func (b *Batch) followMounts(ctx context.Context, w *workload) error {
	v := b.on(w.at)
	for _, m := range w.mounts() {
		if f := w.followed[m.target]; f != nil && !f.ended() {
			continue
		}
		s, err := v.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &proto.StreamSpec{Kind: proto.Mounts, Path: m.target}})
		if err != nil {
			return fmt.Errorf("follow the mounts of pod %s: %w", w.name(), err)
		}
		if w.followed == nil {
			w.followed = map[string]*follower{}
		}
		w.followed[m.target] = follow(s, func(_ *follower, ev proto.Event) {
			if ev.Found != nil {
				w.cell.observe(v.machine, rundir.Observation{T: ev.T1, Source: "node", Event: eventMount, Subject: w.subject(), Detail: m.target, Value: mountedWord(*ev.Found)})
			}
		})
	}
	return nil
}

func mountedWord(there bool) string {
	if there {
		return "mounted"
	}
	return "not mounted"
}

// unfollowMounts ends what followMounts started. A stream whose machine was
// reset has ended before.
func (w *workload) unfollowMounts(ctx context.Context) {
	for _, f := range w.followed {
		if !f.ended() {
			_, _ = f.stop(ctx)
		}
	}
}

// ended says whether the stream has ended and everything it reported was noted.
func (f *follower) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}
