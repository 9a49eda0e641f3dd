package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// The shapes in which a pod can have its volume, beside that of a cell's first
// pod, which has the whole of a claim's. Each is a mode of the scenarios that
// have Shapes: a pod of its own, on a file of its own.
const (
	shapeInline      = "inline"       // nfs written into the pod: no claim, no PV, no mount options
	shapeSubPathDir  = "subpath-dir"  // a directory below the claim's volume, which the kubelet binds below the pod's volume-subpaths
	shapeSubPathFile = "subpath-file" // likewise a file, which has to be there before
	shapeSameNode    = "same-node"    // the claim once more, in a second pod on the same node: a mount of its own
	shapeOtherNode   = "other-node"   // the claim once more, in a pod on the other node
)

// shapes are all of them, in the order of the matrix.
func shapes() []string {
	return []string{shapeInline, shapeSubPathDir, shapeSubPathFile, shapeSameNode, shapeOtherNode}
}

// stays says that a pod is a second one on the claim of the cell's first pod,
// and so is left alone where that is deleted: it must not notice.
func (p podPlan) stays() bool { return p.shape == shapeSameNode || p.shape == shapeOtherNode }

// subPath is what of the volume the pod has mounted, "" for all of it.
func (p podPlan) subPath() string {
	if p.shape == shapeSubPathDir || p.shape == shapeSubPathFile {
		return p.shape
	}
	return ""
}

// mountPath is where the volume, or what the pod has of it, is in the container.
func (p podPlan) mountPath() string {
	if p.shape == shapeSubPathFile {
		return kube.DefaultMountPath + "/" + p.shape
	}
	return kube.DefaultMountPath
}

// path is where the pod's file is in the container.
func (w *workload) path() string { return kube.DefaultMountPath + "/" + path.Base(w.file()) }

const (
	// factShape begins the name of the fact that the cell has a pod of a shape; the
	// shape follows. It is the node that the pod is on.
	factShape = "shape_"
	// factNoInline is why a cell has no pod with an inline volume.
	factNoInline = "shape_left_out_inline"
)

// withShapes gives every cell its first pod, and beside it one of each shape
// where the plan wants them; see withPods.
func (b *Batch) withShapes(ctx context.Context, body func(ctx context.Context, k *kube.Client) error) error {
	return b.withPodsOf(ctx, podsPlan{pods: []podPlan{{}}, shapes: true}, body)
}

// shapePlans are the pods that a cell has for the shapes.
func (b *Batch) shapePlans(c *Cell) []podPlan {
	if !c.Shapes {
		return nil
	}
	var plans []podPlan
	for _, shape := range shapes() {
		p := podPlan{label: shape, shape: shape, file: shape}
		switch {
		case shape == shapeInline && c.Profile.Options != nfs.Builtin()[0].Options:
			c.Trial.SetFact(factNoInline, "an inline volume has no mount options: it is what profiles that ask for "+nfs.Builtin()[0].Options+" alone have")
			continue
		case shape == shapeSubPathDir:
			p.file = shape + "/" + logFile
		case shape == shapeOtherNode:
			p.machine = b.Other
		}
		c.Trial.SetFact(factShape+shape, cmp.Or(p.machine.Name, b.Target.Name))
		plans = append(plans, p)
	}
	return plans
}

// layFile makes the file that a pod has mounted as its subPath: the kubelet
// makes a directory of what is not there.
func (b *Batch) layFile(ctx context.Context, w *workload) error {
	if w.plan.shape != shapeSubPathFile {
		return nil
	}
	t, err := b.on(b.server()).must(ctx, proto.Request{
		Op: proto.OpOpen, Path: w.cell.Export.Path + "/" + w.plan.subPath(), Flags: []proto.Flag{proto.WRONLY, proto.CREAT}, Mode: 0o644,
	})
	if err != nil {
		return err
	}
	_, err = b.on(b.server()).must(ctx, proto.Request{Op: proto.OpClose, FD: t.FD})
	return err
}

// eachPod runs f for every pod of every live cell at once. An error spoils the
// pod's cell alone.
func (b *Batch) eachPod(ctx context.Context, what string, f func(ctx context.Context, w *workload) error) error {
	return b.each(ctx, what, func(ctx context.Context, c *Cell) error {
		return atOnce(len(c.workloads), func(i int) error {
			w := c.workloads[i]
			if err := f(ctx, w); err != nil {
				if w.plan.label != "" {
					err = fmt.Errorf("%s: %w", w.plan.label, err)
				}
				return err
			}
			return nil
		})
	})
}

// judgeShapes judges the pod of each shape that the trial has.
func judgeShapes(e *Evidence, judge func(of *Evidence, shape string) Mode) []Mode {
	var modes []Mode
	for _, shape := range shapes() {
		if _, ok := e.Trial.Facts[factShape+shape]; !ok {
			continue
		}
		of := *e
		of.Ops = opsOf(e.Ops, shape)
		m := judge(&of, shape)
		m.Name = shape
		modes = append(modes, m)
	}
	return modes
}

// shapeNotes say what the shapes leave out.
func shapeNotes(e *Evidence) []string {
	if why, ok := e.Trial.Facts[factNoInline].(string); ok {
		return []string{"no pod with an inline volume: " + why}
	}
	return nil
}

// withoutShapes is what was recorded of a cell's first pod alone.
func (e *Evidence) withoutShapes() *Evidence {
	of := *e
	of.Ops = slices.DeleteFunc(slices.Clone(e.Ops), func(op history.Op) bool {
		return slices.ContainsFunc(shapes(), func(shape string) bool { return len(opsOf([]history.Op{op}, shape)) > 0 })
	})
	of.Observations = slices.DeleteFunc(slices.Clone(e.Observations), func(o rundir.Observation) bool { return slices.Contains(shapes(), o.Subject) })
	return &of
}

// judgeShapeEnd judges a pod of a shape that was deleted, or one that was to
// stay while the cell's first pod was deleted; times count from the fault's
// healing.
func judgeShapeEnd(e *Evidence, shape string, f rundir.FaultRecord) Mode {
	if o, ok := judgeFault(e, f.Name, history.Append, calmRecords); !ok {
		return Mode{Outcomes: []outcome.Outcome{o}}
	}
	j := judgeModels(e.Ops, consistency.AppendLog)
	m := Mode{Models: j.Models, Outcomes: j.Outcomes}
	if (podPlan{shape: shape}).stays() {
		m.Outcomes = append(m.Outcomes, judgeGaps(e, shape, f.InjectedAt, lastTidied(e, f.HealedAt)), judgeKept(e, shape))
		return m
	}
	end := podEnd{label: shape, client: shape, since: f.HealedAt, what: "the kubelet was started again", limit: endTimeout}
	outcomes, notes, gone := end.outcomes(e)
	if !gone {
		outcomes = []outcome.Outcome{stuckTerminating(end)}
	}
	m.Outcomes = append(append(m.Outcomes, outcomes...), end.tidy(e)...)
	m.Notes, m.Figures = notes, end.figures(e)
	return m
}

// lastTidied is when the directory of the last pod that was deleted went, or
// healed, if that is later. Pods that stay go when the trial is taken down and
// have stopped to write before, and then the others' directories are looked for
// once more: neither counts.
func lastTidied(e *Evidence, healed int64) int64 {
	first := map[string]int64{}
	for _, o := range e.Observations {
		if o.Event != eventPodDirGone || (podPlan{shape: o.Subject}).stays() {
			continue
		}
		if t, ok := first[o.Subject]; !ok || o.T < t {
			first[o.Subject] = o.T
		}
	}
	until := healed
	for _, t := range first {
		until = max(until, t)
	}
	return until
}

// tidy says whether what the node had of the pod went by itself. The ledger
// knows what became of it in the end.
func (p podEnd) tidy(e *Evidence) []outcome.Outcome {
	var out []outcome.Outcome
	for _, end := range []struct {
		event string
		word  outcome.Word
		what  string
	}{
		{eventHostUnmounted, outcome.MountLeft, "the volume was still in the host's mount table"},
		{eventSubPathUnmounted, outcome.MountLeft, "the subPath's bind mount was still in the host's mount table"},
		{eventPodDirGone, outcome.PodDirLeft, "the pod's directory was still there"},
	} {
		if end.event == eventSubPathUnmounted && (podPlan{shape: p.label}).subPath() == "" {
			continue
		}
		if _, ok := e.First(end.event, p.label); !ok {
			out = append(out, outcome.New(end.word, "%s %s after %s", end.what, p.limit, p.what).From("node").In("observations.jsonl"))
		}
	}
	if len(out) == 0 {
		out = append(out, outcome.New(outcome.Clean, "mounts and directory of the pod went by themselves").From("node").In("observations.jsonl"))
	}
	return out
}

// endsOf are the watches for the ends of the pods of a batch that are going to
// be deleted.
type endsOf map[*workload]*ending

// watchEnds watches for the ends of every pod that does not stay.
func (b *Batch) watchEnds(ctx context.Context) endsOf {
	ends := endsOf{}
	for _, c := range b.live() {
		for _, w := range c.workloads {
			if !w.plan.stays() {
				ends[w] = b.watchEnd(ctx, w)
			}
		}
	}
	return ends
}

// awaitAll waits for the ends of a cell's pods, at most as long as limit.
func (n endsOf) awaitAll(ctx context.Context, c *Cell, limit time.Duration) error {
	return atOnce(len(c.workloads), func(i int) error {
		end, ok := n[c.workloads[i]]
		if !ok {
			return nil
		}
		_, err := end.await(ctx, limit)
		return err
	})
}

// lastTruths ends a trial in which pods were deleted: what those that stayed
// look like now, and what all of them wrote.
func (b *Batch) lastTruths(ctx context.Context, k *kube.Client, c *Cell) error {
	return atOnce(len(c.workloads), func(i int) error {
		w := c.workloads[i]
		if !w.plan.stays() {
			return b.lastTruth(ctx, w)
		}
		return errors.Join(
			b.moreAppends(ctx, w, calmRecords),
			b.notePod(ctx, k, w, w.plan.label),
			b.endAppending(ctx, w),
		)
	})
}
