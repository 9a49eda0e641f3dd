package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/payload"
	"github.com/nfsim/nfsim/pkg/rundir"
)

func TestStepsGoToTheCellsOfTheContext(t *testing.T) {
	t.Parallel()
	a, b := &Cell{Key: "a"}, &Cell{Key: "b"}
	batch := &Batch{Cells: []*Cell{a, b}, Phase: func(string) {}}
	ctx := withScribe(t.Context(), a, b)
	restore := batch.notePhases(ctx)
	note(t.Context(), rundir.Step{Do: rundir.DoPhase, Name: "of no trial"})
	err := batch.each(ctx, "both", func(ctx context.Context, c *Cell) error {
		note(ctx, rundir.Step{T: 1 << 62, Do: rundir.DoPhase, Name: "of " + c.Key})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	restore()
	batch.Phase("after the trial")
	names := func(c *Cell) []string {
		var out []string
		for _, s := range c.steps.inOrder() {
			out = append(out, s.Name)
		}
		return out
	}
	if diff := cmp.Diff([][]string{{"both", "of a"}, {"both", "of b"}}, [][]string{names(a), names(b)}); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestStepsOfAPodGoToItsCell notes what is done for a pod outside of Batch.each.
func TestStepsOfAPodGoToItsCell(t *testing.T) {
	t.Parallel()
	a, b := &Cell{Key: "a"}, &Cell{Key: "b"}
	ctx, cancel := context.WithCancel(withScribe(t.Context(), a, b))
	cancel()
	batch := &Batch{RunID: "r", Cells: []*Cell{a, b}}
	client := kube.NewFor(fake.NewClientset())
	w := &workload{cell: b, pod: &corev1.Pod{}}
	if err := batch.noteAPIGone(ctx, client, w); err == nil {
		t.Error("no error of a wait that was given up")
	}
	if len(a.steps.inOrder()) != 0 || len(b.steps.inOrder()) != 1 {
		t.Errorf("steps %+v and %+v", a.steps.inOrder(), b.steps.inOrder())
	}
}

func TestStepsOfOneKindInARowAreOne(t *testing.T) {
	t.Parallel()
	c := &Cell{}
	ctx := withScribe(t.Context(), c)
	try := func(at int64, machine, errno string) {
		req := proto.Request{Op: proto.OpLock, FD: 3, Lane: "l", Lock: &proto.Lock{Kind: "posix", Type: "write"}}
		timed := agent.Timed{Response: proto.Response{Errno: errno}, Invoked: at, Returned: at + 1}
		noteCall(ctx, machine, req, timed)
	}
	for at := int64(10); at < 50; at += 10 {
		try(at, "worker1", "EAGAIN")
		try(at+5, "worker2", "")
	}
	try(60, "worker1", "")
	note(ctx, rundir.Step{T: 65, Do: rundir.DoHeal})
	try(70, "worker1", "")
	got := c.steps.inOrder()
	for i := range got {
		got[i].Call = nil
	}
	want := []rundir.Step{
		{T: 10, End: 41, Times: 4, Error: "EAGAIN", Do: rundir.DoCall, Machine: "worker1"},
		{T: 15, End: 46, Times: 4, Do: rundir.DoCall, Machine: "worker2"},
		{T: 60, End: 61, Do: rundir.DoCall, Machine: "worker1"},
		{T: 65, Do: rundir.DoHeal},
		{T: 70, End: 71, Do: rundir.DoCall, Machine: "worker1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestStepOfACall(t *testing.T) {
	t.Parallel()
	record, err := payload.Record{Client: "worker1", Seq: 7}.Append(nil, 64)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		req  proto.Request
		resp proto.Response
		want *rundir.StepCall // nil: none
	}{
		"open keeps the descriptor that it got": {
			proto.Request{Op: proto.OpOpen, Path: "/f", Flags: []proto.Flag{proto.RDWR}}, proto.Response{FD: 9},
			&rundir.StepCall{Op: "open", Path: "/f", Flags: []string{"rdwr"}, FD: 9},
		},
		"a lock that waits":                    {proto.Request{Op: proto.OpLock, FD: 2, Lock: &proto.Lock{Kind: "ofd", Type: "read", Wait: true}}, proto.Response{}, &rundir.StepCall{Op: "lock", FD: 2, Lock: "ofd read wait"}},
		"a table of mounts":                    {proto.Request{Op: proto.OpMountinfo, PID: 12}, proto.Response{}, &rundir.StepCall{Op: "mountinfo", Path: "/proc/12/mountinfo"}},
		"a mapping":                            {proto.Request{Op: proto.OpStore, Map: 1, Token: "a"}, proto.Response{}, &rundir.StepCall{Op: "store", Path: "mapping 1", Token: "a"}},
		"what finds a container is none":       {proto.Request{Op: proto.OpReadFile, Path: "/run/x/init.pid"}, proto.Response{}, nil},
		"what asks nothing of a file is none":  {proto.Request{Op: proto.OpMono}, proto.Response{}, nil},
		"what was not answered has not ended":  {proto.Request{Op: proto.OpStat, Path: "/f"}, proto.Response{Hung: true}, &rundir.StepCall{Op: "stat", Path: "/f"}},
		"data is not kept, only what tells it": {proto.Request{Op: proto.OpWriteRecord, FD: 1, Data: record, Offset: 5}, proto.Response{}, &rundir.StepCall{Op: "write_record", FD: 1, Token: "worker1#7", Size: 64, Offset: 5}},
	} {
		c := &Cell{}
		noteCall(withScribe(t.Context(), c), "worker1", tt.req, agent.Timed{Response: tt.resp, Invoked: 1, Returned: 2})
		var got *rundir.StepCall
		for _, s := range c.steps.inOrder() {
			got = s.Call
			if hung := tt.resp.Hung; hung != (s.End == 0) || hung != (s.Error == "hung") {
				t.Errorf("%s: end %d, error %q", name, s.End, s.Error)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestStepOfARequest(t *testing.T) {
	t.Parallel()
	node := `{"metadata":{"name":"w"},"spec":{"podCIDR":"10.0.0.0/24","taints":[{"key":"k","effect":"NoExecute"}]},"status":{"images":[]}}`
	s := requestStep(kube.Change{Verb: "update", Version: "v1", Resource: "nodes", Name: "w", Body: []byte(node), Status: 200})
	if got := string(s.Request.Body); got != `{"spec":{"taints":[{"key":"k","effect":"NoExecute"}]}}` || s.Error != "" {
		t.Errorf("body %s, error %q", got, s.Error)
	}
	if s := requestStep(kube.Change{Verb: "create", Resource: "pods", Body: []byte("no JSON"), Status: 409}); s.Request.Body != nil || s.Error != "status 409" {
		t.Errorf("body %s, error %q", s.Request.Body, s.Error)
	}
}

func TestStepsOfAwaiting(t *testing.T) {
	t.Parallel()
	c := &Cell{}
	ctx, cancel := context.WithTimeout(withScribe(t.Context(), c), time.Hour)
	defer cancel()
	awaiting(ctx, "api-gone", "", "pod-1")(errors.New("not\nin " + strings.Repeat("time", 200)))
	s := c.steps.inOrder()[0]
	if s.WithinNS != time.Hour.Nanoseconds() || s.End < s.T || s.T == 0 || strings.Contains(s.Error, "\n") || len(s.Error) > 400 {
		t.Errorf("%+v", s)
	}
}
