package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// The ends of a pod, as observations; the subject is the pod's.
const (
	eventAPIGone       = "api-gone"       // the API server has forgotten the pod
	eventHostUnmounted = "host-unmounted" // the volume left the host's mount table
	// eventSubPathUnmounted is the same of a subPath's bind mount, which another part
	// of the kubelet removes (pkg/volume/util/subpath CleanSubPaths).
	eventSubPathUnmounted = "subpath-unmounted"
	eventWriterDead       = "writer-dead" // the container's process has ended
	eventPodDirGone       = "poddir-gone" // the kubelet removed the pod's directory
	// eventContainerTable is what the container's own mount table shows right
	// after the volume left the host's.
	eventContainerTable = "container-table"
)

const (
	// endTimeout is how long a kubelet gets to end a container whose pod is no
	// more, beyond its grace period.
	endTimeout = 3 * time.Minute
)

// ending is the watches for the ends of one pod. They are in place before
// anything is broken.
type ending struct {
	machine, pod string                  // for steps
	left         map[string]<-chan error // by event, of those that have not come
}

// watchEnd watches for the ends of a pod on its node.
func (b *Batch) watchEnd(ctx context.Context, w *workload) *ending {
	ctx = withScribe(ctx, w.cell)
	look := func() error {
		_, kept, err := b.mountsKept(ctx, w)
		if err == nil {
			w.cell.now("node", eventContainerTable, w.subject(), mountedOrNot(kept))
		}
		return err
	}
	end := &ending{machine: w.at.Name, pod: w.name(), left: map[string]<-chan error{
		eventHostUnmounted: b.watchGone(ctx, w, eventHostUnmounted, proto.StreamSpec{Kind: proto.Mounts, Path: w.hostMount}, look),
		eventWriterDead:    b.watchGone(ctx, w, eventWriterDead, proto.StreamSpec{Kind: proto.Process, PID: w.pid}, nil),
		eventPodDirGone:    b.watchGone(ctx, w, eventPodDirGone, proto.StreamSpec{Kind: proto.Name, Path: w.podDir()}, nil),
	}}
	if w.subMount != "" {
		end.left[eventSubPathUnmounted] = b.watchGone(ctx, w, eventSubPathUnmounted, proto.StreamSpec{Kind: proto.Mounts, Path: w.subMount}, nil)
	}
	return end
}

// alsoInAPI has the ending wait for the pod's end in the API as well.
func (n *ending) alsoInAPI(ctx context.Context, b *Batch, k *kube.Client, w *workload) *ending {
	gone := make(chan error, 1)
	n.left[eventAPIGone] = gone
	go func() { gone <- b.noteAPIGone(ctx, k, w) }()
	return n
}

// noteAPIGone waits until the API server has forgotten the pod and notes when
// the news came.
func (b *Batch) noteAPIGone(ctx context.Context, k *kube.Client, w *workload) error {
	ctx = withScribe(ctx, w.cell)
	end := awaiting(ctx, eventAPIGone, "", w.name())
	seen, err := k.AwaitPodGone(ctx, b.namespace(), w.name(), w.pod.UID)
	end(err)
	if err != nil {
		return err
	}
	w.cell.observe("", rundir.Observation{T: seen[len(seen)-1].At, Source: "api", Event: eventAPIGone, Subject: w.subject()})
	return nil
}

// await waits for the ends that have not come, as long as within. complete is
// false when some did not: that is for the judge to see, no error.
func (n *ending) await(ctx context.Context, within time.Duration) (complete bool, err error) {
	defer waiting(ctx)()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	for event, end := range n.left {
		noteEnd := begin(ctx, rundir.Step{Do: rundir.DoAwait, Name: event, Machine: n.machine, In: n.pod, WithinNS: within.Nanoseconds()})
		select {
		case err := <-end:
			noteEnd(err)
			if err != nil {
				return false, err
			}
			delete(n.left, event)
		case <-timeout.C:
			noteEnd(errors.New("not in time"))
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

// awaitOne waits for one of the ends; that it does not come is an error.
func (n *ending) awaitOne(ctx context.Context, event string, within time.Duration) error {
	one := &ending{machine: n.machine, pod: n.pod, left: map[string]<-chan error{event: n.left[event]}}
	complete, err := one.await(ctx, within)
	if err == nil && !complete {
		err = fmt.Errorf("await %s: not within %s", event, within)
	}
	delete(n.left, event)
	return err
}

// watchGone starts a stream on the pod's node; its first event that says that
// what it watches is gone is noted as an observation. Then, if there is one,
// follows, and the channel delivers what it returned. An error of the stream is
// delivered instead.
func (b *Batch) watchGone(ctx context.Context, w *workload, event string, spec proto.StreamSpec, then func() error) <-chan error {
	result := make(chan error, 1)
	v := b.on(w.at)
	s, err := v.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &spec})
	if err != nil {
		result <- fmt.Errorf("watch for %s: %w", event, err)
		return result
	}
	name := noteStream(ctx, v.client, s.ID(), rundir.Step{Do: rundir.DoWatch, Name: event, Machine: v.machine, In: w.name(), Path: spec.Path, Options: spec.Kind})
	go func() {
		for ev := range s.Events() {
			if ev.Found != nil && !*ev.Found {
				w.cell.observe(v.machine, rundir.Observation{T: ev.T1, Source: "node", Event: event, Subject: w.subject(), Detail: spec.Path})
				var err error
				if then != nil {
					err = then()
				}
				result <- err
				// The event is what mattered; the stream dies with the agent.
				_, _ = s.Stop(context.WithoutCancel(ctx))
				note(ctx, rundir.Step{Do: rundir.DoStop, Stream: name})
				return
			}
		}
		result <- fmt.Errorf("watch for %s: the stream has ended: %w", event, s.Err())
	}()
	return result
}

func mountedOrNot(kept bool) string {
	if kept {
		return "still mounted"
	}
	return "not mounted"
}

// Facts of a deletion; the pod's label, if it has one, follows.
const (
	factDeleteInvoke = "delete_invoke_ns"
	factDeleteReturn = "delete_return_ns"
)

// deletePod asks for the pod's deletion, with its own grace period when grace
// is nil, and records when.
func (b *Batch) deletePod(ctx context.Context, k *kube.Client, w *workload, grace *int64) error {
	how := "with its own grace period"
	if grace != nil {
		how = fmt.Sprintf("with a grace period of %d s", *grace)
	}
	if err := b.pauseBefore(ctx, PauseFault, []*Cell{w.cell}, fmt.Sprintf("pod %s is deleted %s", w.name(), how)); err != nil {
		return err
	}
	defer waiting(ctx)()
	span, err := k.DeletePod(ctx, b.namespace(), w.name(), grace)
	if err != nil {
		return err
	}
	w.cell.Trial.SetFact(factDeleteInvoke+w.plan.label, span.Invoke)
	w.cell.Trial.SetFact(factDeleteReturn+w.plan.label, span.Return)
	return nil
}

// forceDelete deletes the pod with grace 0 and notes when the API server had
// forgotten it. That is watched for from before the delete: an API server that
// is slow to answer has told its watchers long before, and the zombie clock
// begins there.
func (b *Batch) forceDelete(ctx context.Context, k *kube.Client, w *workload) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := make(chan error, 1)
	go func() { gone <- b.noteAPIGone(ctx, k, w) }()
	if err := b.deletePod(ctx, k, w, new(int64)); err != nil {
		return err
	}
	defer waiting(ctx)()
	return <-gone
}

// number reads a fact that was a whole number before it went through JSON.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), true
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil
	}
	return 0, false
}
