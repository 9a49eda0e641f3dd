package scenarios

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// Awaited events that are no observations: they are steps only.
const (
	awaitPodRunning     = "pod-running"
	awaitPodPlaced      = "pod-placed" // its controller has one, and it is on a node
	awaitPodTerminating = "pod-terminating"
	awaitNodeNotReady   = "node-not-ready"
	awaitChange         = "change" // of what a stream looks at
)

// longestBody is how much of a request is kept, in bytes: far more than any
// object that a scenario makes, and less than a line of a run directory has.
const longestBody = 256 << 10

// steps are what a cell's trial did, for who repeats it by hand. They are noted
// where it is done, in calls that all scenarios share, so that no description
// of a scenario is written twice.
type steps struct {
	mu    sync.Mutex
	list  []rundir.Step
	lanes map[string]int // of the last call of a lane
}

// add notes a step that has ended, or goes on. One call after another of a lane
// that differ in nothing but their times are one step, unless something else
// than calls was noted between them.
func (s *steps) add(step rundir.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step.Do != rundir.DoCall {
		clear(s.lanes)
	} else {
		lane := step.Machine + " " + step.Call.Lane
		if i, ok := s.lanes[lane]; ok && sameCall(s.list[i], step) {
			s.list[i].Times = max(s.list[i].Times, 1) + 1
			s.list[i].End = step.End
			return
		}
		if s.lanes == nil {
			s.lanes = map[string]int{}
		}
		s.lanes[lane] = len(s.list)
	}
	if len(s.list) < rundir.MaxSteps {
		s.list = append(s.list, step)
	}
}

// sameCall says whether two calls ask and are told the same.
func sameCall(a, b rundir.Step) bool {
	x, y := *a.Call, *b.Call
	return a.Error == b.Error && slices.Equal(x.Flags, y.Flags) &&
		x.Op == y.Op && x.FD == y.FD && x.Path == y.Path && x.To == y.To && x.Offset == y.Offset && x.Size == y.Size &&
		x.Token == y.Token && x.Fsync == y.Fsync && x.Close == y.Close && x.Lock == y.Lock && x.Lane == y.Lane
}

// inOrder are the steps in the order in which they were begun.
func (s *steps) inOrder() []rundir.Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.list)
	slices.SortStableFunc(out, func(a, b rundir.Step) int { return int(min(max(a.T-b.T, -1), 1)) })
	return out
}

type scribeKey struct{}

// withScribe returns a context in which what is done is noted for the cells
// given: all of a batch, or the one that Batch.each is about.
func withScribe(ctx context.Context, cells ...*Cell) context.Context {
	ctx = context.WithValue(ctx, scribeKey{}, cells)
	return kube.WithTrace(ctx, func(c kube.Change) { note(ctx, requestStep(c)) })
}

// note notes a step. Without a trial it does nothing.
func note(ctx context.Context, s rundir.Step) {
	cells, _ := ctx.Value(scribeKey{}).([]*Cell)
	if s.T == 0 {
		s.T = agent.Mono()
	}
	if s.WithinNS == 0 && s.Do == rundir.DoAwait {
		if deadline, ok := ctx.Deadline(); ok {
			s.WithinNS = max(time.Until(deadline), 0).Round(time.Second).Nanoseconds()
		}
	}
	for _, c := range cells {
		c.steps.add(s)
	}
}

// begin begins a step; the returned function notes it with its end.
func begin(ctx context.Context, s rundir.Step) (end func(err error)) {
	s.T = agent.Mono()
	return func(err error) {
		s.End = agent.Mono()
		if err != nil {
			s.Error = oneLine(err.Error())
		}
		note(ctx, s)
	}
}

// oneLine makes a word of a text that may have several lines.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), 400)], "")
}

// awaiting begins the wait for an event of a machine, or of a pod on it.
func awaiting(ctx context.Context, event, machine, pod string) (end func(err error)) {
	return begin(ctx, rundir.Step{Do: rundir.DoAwait, Name: event, Machine: machine, In: pod})
}

// injecting begins the injection of a fault, and healing its undo. What is seen
// at the API was done there, and each of its requests is a step already.
func injecting(ctx context.Context, spec fault.Spec) (end func(err error)) {
	if spec.Seen != nil {
		return func(error) {}
	}
	return begin(ctx, rundir.Step{
		Do: rundir.DoInject, Name: spec.Name, Machine: spec.Machine, Script: spec.Inject, Proof: spec.Prove,
		WithinNS: cmp.Or(spec.ProveWithin, fault.DefaultProveWithin).Nanoseconds(),
	})
}

func healing(ctx context.Context, spec fault.Spec) (end func(err error)) {
	if spec.Seen != nil {
		return func(error) {}
	}
	return begin(ctx, rundir.Step{
		Do: rundir.DoHeal, Name: spec.Name, Machine: spec.Machine, Script: spec.Undo, Proof: spec.ProveUndone,
		WithinNS: cmp.Or(spec.HealWithin, fault.DefaultHealWithin).Nanoseconds(),
	})
}

// requestStep is a change that was asked of the API server.
func requestStep(c kube.Change) rundir.Step {
	r := &rundir.StepRequest{
		Verb: c.Verb, Group: c.Group, Version: c.Version, Resource: c.Resource, Subresource: c.Subresource,
		Namespace: c.Namespace, Name: c.Name, Type: c.Type, Status: c.Status,
	}
	if len(c.Body) <= longestBody && json.Valid(c.Body) {
		r.Body = c.Body
	}
	if r.Resource == "nodes" && r.Verb == "update" {
		r.Body = taintsOf(c.Body)
	}
	s := rundir.Step{T: c.Invoke, End: c.Return, Do: rundir.DoRequest, Request: r}
	if c.Status >= 400 || c.Status == 0 {
		s.Error = fmt.Sprintf("status %d", c.Status)
	}
	return s
}

// taintsOf keeps of a node what is ever changed of it.
func taintsOf(body []byte) json.RawMessage {
	var node struct {
		Spec struct {
			Taints []corev1.Taint `json:"taints"`
		} `json:"spec"`
	}
	if json.Unmarshal(body, &node) != nil {
		return nil
	}
	kept, err := json.Marshal(node)
	if err != nil {
		return nil
	}
	return kept
}

// noteCall notes a call of an agent on files. What looks at nothing but the
// agent, or finds a container's process, is none.
func noteCall(ctx context.Context, machine string, req proto.Request, t agent.Timed) {
	call := &rundir.StepCall{
		Op: string(req.Op), FD: req.FD, Path: req.Path, To: req.To, Offset: req.Offset, Size: req.Size,
		Token: req.Token, Fsync: req.Fsync, Close: req.Close, Lane: req.Lane,
	}
	if len(req.Data) > 0 {
		call.Size = int64(len(req.Data))
		if r, _, ok := payload.ParseRecord(req.Data); ok {
			call.Token = recordValue(r)
		}
	}
	for _, f := range req.Flags {
		call.Flags = append(call.Flags, string(f))
	}
	if l := req.Lock; l != nil {
		call.Lock = l.Kind + " " + l.Type
		if l.Wait {
			call.Lock += " wait"
		}
	}
	if t.FD != 0 {
		call.FD = t.FD
	}
	switch {
	case req.Op == proto.OpMountinfo:
		call.Path = fmt.Sprintf("/proc/%d/mountinfo", req.PID)
	case req.Map != 0:
		call.Path = fmt.Sprintf("mapping %d", req.Map)
	case req.FD == 0 && req.Path == "" || strings.HasSuffix(req.Path, "/init.pid"):
		return
	}
	s := rundir.Step{T: t.Invoked, End: t.Returned, Do: rundir.DoCall, Machine: machine, Call: call, Error: t.Errno}
	if t.Hung {
		s.Error, s.End = "hung", 0
	}
	note(ctx, s)
}

type podKey struct{}

// inPod returns a context whose streams are those of the pod's own agent.
func inPod(ctx context.Context, w *workload) context.Context {
	return context.WithValue(ctx, podKey{}, w)
}

// noteStream notes that a stream goes on from now, and returns its name.
func noteStream(ctx context.Context, c *agent.Client, id string, s rundir.Step) (name string) {
	s.Stream = c.Name() + " " + id
	if w, ok := ctx.Value(podKey{}).(*workload); ok {
		s.In = w.name()
	}
	note(ctx, s)
	return s.Stream
}

// pollStep is a stream that looks at something again and again.
func pollStep(machine string, spec proto.StreamSpec) rundir.Step {
	s := rundir.Step{Do: rundir.DoPoll, Machine: machine, Path: spec.Path, Options: spec.Mode, EveryNS: spec.IntervalUS * 1000}
	if spec.Kind == proto.Tail {
		s.Options = string(proto.Tail)
	}
	return s
}

// noteFound notes where the pod's container was found on its node, as far as it
// was. It had another container before, or none.
func (w *workload) noteFound(ctx context.Context, before string) {
	note(ctx, rundir.Step{Do: rundir.DoPod, Name: w.name(), Machine: w.at.Name, Pod: &rundir.StepPod{
		UID: string(w.pod.UID), Container: w.containerID, PID: w.pid, PIDFile: w.at.Runtime().State + "/" + w.containerID + "/init.pid",
		Dir: w.podDir(), HostMount: w.hostMount, Mount: w.plan.mountPath(), Ignores: w.plan.ignoreTerm, Previous: before,
	}})
}

// notePhases has the phases of the batch noted as steps, until restore is called.
func (b *Batch) notePhases(ctx context.Context) (restore func()) {
	tell := b.Phase
	b.Phase = func(what string) {
		note(ctx, rundir.Step{Do: rundir.DoPhase, Name: oneLine(what)})
		tell(what)
	}
	return func() { b.Phase = tell }
}
