package scenarios

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
)

// newsOf lists what was noted for a cell as "event subject: detail".
func newsOf(c *Cell) []string {
	var out []string
	for _, p := range c.pending.observations {
		out = append(out, p.record.Event+" "+p.record.Subject+": "+p.record.Detail)
	}
	return out
}

// TestPodNews checks that the news of a pod go to its own cell, each change once,
// and that a pod of the same name that comes after it is another one.
func TestPodNews(t *testing.T) {
	t.Parallel()
	pod := func(name string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.PodStatus{Phase: phase}}
	}
	b := &Batch{Cells: []*Cell{{Key: "x-1-1"}, {Key: "x-1-10"}}}
	known := map[string]*corev1.Pod{}
	for _, e := range []kube.PodEvent{
		{Kind: kube.Synced},
		{Kind: kube.Added, Object: pod("x-1-1-next", corev1.PodPending)},
		{Kind: kube.Modified, Object: pod("x-1-1-next", corev1.PodRunning)},
		{Kind: kube.Modified, Object: pod("x-1-1-next", corev1.PodRunning)},
		{Kind: kube.Added, Object: pod("x-1-10", corev1.PodPending)},
		{Kind: kube.Added, Object: pod("y-1-1", corev1.PodPending)},
		{Kind: kube.Deleted, Object: pod("x-1-1-next", corev1.PodRunning)},
		{Kind: kube.Added, Object: pod("x-1-1-next", corev1.PodPending)},
	} {
		b.podNews(known, e)
	}
	want := []string{
		"pod x-1-1-next: phase Pending", "pod x-1-1-next: ready Unknown",
		"pod x-1-1-next: phase Pending -> Running", "pod x-1-1-next: gone",
		"pod x-1-1-next: phase Pending", "pod x-1-1-next: ready Unknown",
	}
	if diff := cmp.Diff(want, newsOf(b.Cells[0])); diff != "" {
		t.Errorf("first cell (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pod x-1-10: phase Pending", "pod x-1-10: ready Unknown"}, newsOf(b.Cells[1])); diff != "" {
		t.Errorf("second cell (-want +got):\n%s", diff)
	}
}

// TestNodeNews checks that flips of the batch's own nodes are noted for every
// cell, and heartbeats are not.
func TestNodeNews(t *testing.T) {
	t.Parallel()
	node := func(name string, ready corev1.ConditionStatus, reason string, taints ...corev1.Taint) kube.NodeEvent {
		return kube.NodeEvent{Kind: kube.Modified, Object: &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{Taints: taints},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: reason}}},
		}}
	}
	b := &Batch{Target: lab.Machine{Name: "worker1"}, Other: lab.Machine{Name: "worker2"}, Cells: []*Cell{{Key: "x-1-1"}, {Key: "x-1-2"}}}
	known := map[string]string{}
	for _, e := range []kube.NodeEvent{
		node("worker1", corev1.ConditionTrue, "KubeletReady"),
		node("worker1", corev1.ConditionTrue, "KubeletReady"),
		node("worker3", corev1.ConditionTrue, "KubeletReady"),
		node("worker1", corev1.ConditionUnknown, "NodeStatusUnknown", outOfService("nodeshutdown")),
	} {
		b.nodeNews(known, e)
	}
	want := []string{
		"node worker1: Ready True (KubeletReady)",
		"node worker1: Ready Unknown (NodeStatusUnknown), taint node.kubernetes.io/out-of-service:NoExecute",
	}
	for _, c := range b.Cells {
		if diff := cmp.Diff(want, newsOf(c)); diff != "" {
			t.Errorf("cell %s (-want +got):\n%s", c.Key, diff)
		}
	}
}

// TestNodeState checks that conditions that are not well are told, and no others.
func TestNodeState(t *testing.T) {
	t.Parallel()
	node := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown"},
		{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown"},
	}}}
	if got, want := nodeState(node), "Ready Unknown (NodeStatusUnknown), DiskPressure Unknown (NodeStatusUnknown)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestKubeletWatch checks that an answer is noted when it turns from ok to
// anything else, or back, and at first; and that a kubelet's loop is asked for
// until it has said ok, and again when another process answers.
func TestKubeletWatch(t *testing.T) {
	t.Parallel()
	refused, stuck := errors.New("refused"), errors.New("stuck")
	looks := []struct{ alive, loop error }{
		{nil, stuck}, {nil, stuck}, {nil, nil}, {nil, errors.New("is not asked any more")},
		{refused, nil}, {refused, nil}, {nil, nil}, {nil, stuck},
	}
	var got []string
	at, asked := 0, 0
	w := kubeletWatch{
		alive:    flips{note: func(detail string) { got = append(got, "alive "+detail) }},
		loop:     flips{note: func(detail string) { got = append(got, "loop "+detail) }},
		askAlive: func(context.Context) error { return looks[at].alive },
		askLoop: func(context.Context) error {
			asked++
			return looks[at].loop
		},
	}
	for at = range looks {
		w.look(context.Background())
	}
	if diff := cmp.Diff([]string{"alive ok", "loop stuck", "loop ok", "alive refused", "alive ok", "loop ok"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if asked != 4 {
		t.Errorf("the loop was asked for %d times, want 4", asked)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	at = 4
	w.look(cancelled)
	if len(got) != 6 {
		t.Errorf("a look that was broken off is noted: %q", got)
	}
}

// TestMoments checks that tables are read beside the trial, each under a name of
// its own that sorts by time, and waited for; and that a batch without pods has
// none.
func TestMoments(t *testing.T) {
	t.Parallel()
	var none *moments
	none.take("nothing")
	none.wait()
	started, release := make(chan string), make(chan struct{})
	var inFull []string
	var mu sync.Mutex
	var kept []string
	m := &moments{keep: func(name string, all bool) {
		started <- name
		<-release
		mu.Lock()
		defer mu.Unlock()
		kept = append(kept, name)
		if all {
			inFull = append(inFull, name)
		}
	}}
	m.take(momentBefore) // returns before it is read
	m.take("kubelet-stop")
	begun := []string{<-started, <-started}
	close(release)
	m.wait()
	slices.Sort(begun)
	slices.Sort(kept)
	want := []string{"01-before", "02-kubelet-stop"}
	if diff := cmp.Diff([][]string{want, want, want[:1]}, [][]string{begun, kept, inFull}); diff != "" {
		t.Errorf("begun, kept, in full (-want +got):\n%s", diff)
	}
}

// TestWithin checks that a limit that passes is a result and everything else that
// goes wrong an error.
func TestWithin(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		await func(context.Context) error
		came  bool
		err   error
	}{
		{"comes", context.Background(), func(context.Context) error { return nil }, true, nil},
		{"does not come", context.Background(), hang, false, nil},
		{"is broken", context.Background(), func(context.Context) error { return broken }, false, broken},
		{"is interrupted", cancelled, hang, false, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			limit := time.Minute
			if tc.name == "does not come" {
				limit = time.Millisecond
			}
			came, why, err := within(tc.ctx, limit, tc.await)
			if came != tc.came || !errors.Is(err, tc.err) {
				t.Errorf("came %v, error %v; want %v, %v", came, err, tc.came, tc.err)
			}
			if !came && err == nil && why == "" {
				t.Error("nothing says why it did not come")
			}
		})
	}
}

// TestPodSpec checks what is asked of the API server for the plans that differ.
func TestPodSpec(t *testing.T) {
	t.Parallel()
	b := &Batch{RunID: "r", Target: lab.Machine{Name: "worker1"}, Other: lab.Machine{Name: "worker2"}}
	c := &Cell{Key: "x-1-1"}
	first := b.podSpec(&workload{cell: c})
	if first.Name != "x-1-1" || first.Claim != "x-1-1" || *first.TerminationGracePeriodSeconds != 5 || first.Affinity != nil || first.Tolerations != nil {
		t.Errorf("a cell's first pod: %+v", first)
	}
	stubborn := b.podSpec(&workload{cell: c, plan: podPlan{label: modeForce, grace: longGrace, ignoreTerm: true}})
	if stubborn.Name != "x-1-1-force" || *stubborn.TerminationGracePeriodSeconds != 60 || stubborn.Args[len(stubborn.Args)-1] != "--ignore-term" {
		t.Errorf("a pod that ignores SIGTERM: %+v", stubborn)
	}
	kept := b.podSpec(&workload{cell: c, plan: podPlan{label: modeDeployment, controller: kube.Deployment, tolerates: shortToleration}})
	if kept.Node != "" || kept.Affinity == nil || len(kept.Tolerations) != 2 || *kept.Tolerations[0].TolerationSeconds != 10 {
		t.Errorf("a pod of a Deployment: %+v", kept)
	}
}

// TestWorkloadNames checks that the records of every pod, and of every container
// of a pod, are told from all others, and that a successor is found under the
// name of what controls it.
func TestWorkloadNames(t *testing.T) {
	t.Parallel()
	c := &Cell{Key: "x-1-1"}
	first := &workload{cell: c, lives: 1}
	again := &workload{cell: c, lives: 2}
	old := &workload{cell: c, plan: podPlan{label: modeDeployment, controller: kube.Deployment}, lives: 1, pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x-1-1-deployment-abc"}}}
	next := &workload{cell: c, plan: podPlan{label: modeDeployment + successorSuffix, controller: kube.Deployment}, before: old, lives: 1}
	want := []string{"x-1-1 x-1-1 pod", "x-1-1 x-1-1 pod-2", "x-1-1-deployment x-1-1-deployment-abc deployment", "x-1-1-deployment x-1-1-deployment deployment-next"}
	var got []string
	for _, w := range []*workload{first, again, old, next} {
		got = append(got, w.base()+" "+w.name()+" "+w.records())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("base, name, records (-want +got):\n%s", diff)
	}
}
