package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
)

const (
	// podTimeout bounds a pod's way to Running, on an emulated machine.
	podTimeout = 5 * time.Minute

	// podGrace is the grace period of a pod whose plan has none.
	podGrace = 5 * time.Second

	// appendEveryUS is the pause between two records of a pod, in µs.
	appendEveryUS = 100_000
	// calmRecords is how many records are awaited before a fault and between
	// its steps: enough that every phase of a trial has operations in it.
	calmRecords = 10

	logFile    = "log"  // in the export
	podAppends = "pod"  // client of the appends of a cell's first pod in a history
	secondName = "peer" // client of the other worker's own mount
)

// podPlan says what a pod of a cell is like. The zero value is the cell's first
// pod: on Target, appending to logFile.
type podPlan struct {
	// label tells the pod from the cell's first: it is the end of its name, the
	// subject of its observations and the client of its records.
	label string
	// machine is the worker that it is put on; zero is Target.
	machine lab.Machine
	// shape is in which shape it has its volume; empty: all of the claim's.
	shape string
	file  string        // in the export, that it appends to; empty: logFile
	grace time.Duration // 0: podGrace
	// ignoreTerm makes its process go on after SIGTERM, until it is killed.
	ignoreTerm bool
	// controller keeps the pod running, and the scheduler places it: on Target if
	// that is possible, else on Other. Empty: the pod is nobody's.
	controller kube.Controller
	// tolerates is for how long the pod stays on a node that is not Ready or cannot
	// be reached; 0 is the API's default, 300 s.
	tolerates time.Duration
}

// podsPlan says what a cell has: one claim, and pods that use it.
type podsPlan struct {
	// readWriteOnce is the claim's access mode in place of ReadWriteMany; no NFS
	// server and no kubelet enforces it.
	readWriteOnce bool
	pods          []podPlan
	shapes        bool // one pod of each shape too, in the cells that are to have them
}

// workload is a pod of a cell and everything that is known of it.
type workload struct {
	cell *Cell
	plan podPlan
	at   lab.Machine // where it was put
	// before is the pod that the same controller had before this one; nil: none.
	before *workload

	lives       int // containers that it has had so far
	pod         *corev1.Pod
	containerID string
	pid         int    // of the agent in the container, in the node's PID namespace
	hostMount   string // where the kubelet mounted the volume
	subMount    string // where it bound the pod's subPath; empty: it has none
	client      *agent.Client
	appends     *follower
	followed    map[string]*follower // by mount point
	arrivals    *follower            // on the server's disk
}

// base is the name that was asked for: of the pod, or of what controls it.
func (w *workload) base() string {
	switch {
	case w.before != nil:
		return w.before.base()
	case w.plan.label == "":
		return w.cell.Key
	}
	return w.cell.Key + "-" + w.plan.label
}

// name is the pod's.
func (w *workload) name() string {
	if w.plan.controller != "" && w.pod != nil {
		return w.pod.Name
	}
	return w.base()
}

// subject is what the pod's observations are about.
func (w *workload) subject() string { return cmp.Or(w.plan.label, w.cell.Key) }

// records is the client of the pod's records: another one for each container
// that it has had.
func (w *workload) records() string {
	name := cmp.Or(w.plan.label, podAppends)
	if w.lives > 1 {
		return fmt.Sprintf("%s-%d", name, w.lives)
	}
	return name
}

// secondLife is the client of the records of a cell's first pod whose container
// was started once more.
const secondLife = podAppends + secondSuffix

const secondSuffix = "-2"

// file is what the pod appends to, below the export.
func (w *workload) file() string { return cmp.Or(w.plan.file, logFile) }

func (w *workload) podDir() string { return kubeletPods + "/" + string(w.pod.UID) }

// kubeletPods is where a kubelet has a directory for each pod, by UID.
const kubeletPods = "/var/lib/kubelet/pods"

// withPods gives every cell a claim with the cell's mount options
// and a pod on Target that appends to a log, for as long as body runs. Other
// mounts the same export with the same options: the second client.
func (b *Batch) withPods(ctx context.Context, body func(ctx context.Context, k *kube.Client) error) error {
	return b.withPodsOf(ctx, podsPlan{pods: []podPlan{{}}}, body)
}

// withPodsOf is withPods for other pods. The first of a plan is the cell's
// workload.
func (b *Batch) withPodsOf(ctx context.Context, plan podsPlan, body func(ctx context.Context, k *kube.Client) error) error {
	k, err := b.Kube(ctx)
	if err != nil {
		return err
	}
	b.cluster = k
	quiet := func() {}
	return b.frame(ctx,
		func(ctx context.Context) error {
			b.Phase("start pods")
			stop := waiting(ctx)
			err := k.EnsureNamespace(ctx, b.namespace())
			stop()
			if err != nil {
				return err
			}
			news, health := b.followAPI(ctx, k), b.followKubelet(ctx, k)
			quiet = func() {
				news()
				health()
			}
			b.moments = b.watchMoments(ctx, k)
			// The second client's own mounts.
			if err := b.mountAll(ctx, b.Other, b.Cells); err != nil {
				return err
			}
			err = b.each(ctx, "start pods", func(ctx context.Context, c *Cell) error {
				if err := b.makeClaim(ctx, k, c, plan.readWriteOnce); err != nil {
					return err
				}
				plans := plan.pods
				if plan.shapes {
					plans = slices.Concat(plans, b.shapePlans(c))
				}
				return b.startPods(ctx, k, c, plans)
			})
			b.moments.take(momentBefore)
			return err
		},
		func(ctx context.Context) error { return body(ctx, k) },
		func(ctx context.Context) error {
			b.Phase("keep the tables of kubelet and server")
			b.moments.take(momentEnd)
			b.moments.wait()
			err := b.eachAnyway(ctx, func(ctx context.Context, c *Cell) error { return b.stopPods(ctx, k, c) })
			quiet()
			err = errors.Join(err, b.unmountAll(ctx, b.Other), b.unwedge(ctx))
			b.moments.wait()
			return err
		},
	)
}

// Namespace is the run's own Kubernetes namespace.
func Namespace(runID string) string { return "nfsim-" + runID }

func (b *Batch) namespace() string { return Namespace(b.RunID) }
