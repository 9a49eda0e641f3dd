package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// makeClaim makes the cell's claim and waits until it is bound.
func (b *Batch) makeClaim(ctx context.Context, k *kube.Client, c *Cell, readWriteOnce bool) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	defer waiting(ctx)()
	c.own(c.Key, b.namespace()+"-"+c.Key) // the latter is the volume's name
	from := b.source(c)
	_, err := k.CreateNFSClaim(ctx, kube.NFSClaim{
		Name: c.Key, Namespace: b.namespace(), Server: from.Server, Path: from.Path,
		MountOptions: strings.Split(from.Options, ","), ReadWriteMany: !readWriteOnce,
	})
	return err
}

// startPod starts a pod on the cell's claim and waits until it runs and its
// records arrive at the server. It is stopped with the trial.
func (b *Batch) startPod(ctx context.Context, k *kube.Client, c *Cell, plan podPlan) (*workload, error) {
	w := b.planned(c, plan)
	return w, b.bringUp(ctx, k, w)
}

// startPods is startPod for several pods, side by side.
func (b *Batch) startPods(ctx context.Context, k *kube.Client, c *Cell, plans []podPlan) error {
	var pods []*workload
	for _, p := range plans {
		pods = append(pods, b.planned(c, p))
	}
	return atOnce(len(pods), func(i int) error { return b.bringUp(ctx, k, pods[i]) })
}

// planned is a pod that the cell is going to have.
func (b *Batch) planned(c *Cell, plan podPlan) *workload {
	w := &workload{cell: c, plan: plan, at: plan.machine}
	if w.at.Name == "" {
		w.at = b.Target
	}
	c.took(w)
	return w
}

// bringUp makes the pod and waits until it runs and its records arrive.
func (b *Batch) bringUp(ctx context.Context, k *kube.Client, w *workload) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	if err := b.layFile(ctx, w); err != nil {
		return err
	}
	if err := b.createPod(ctx, k, w); err != nil {
		return err
	}
	if err := b.awaitContainer(ctx, k, w); err != nil {
		return err
	}
	return b.startAppending(ctx, w)
}

// took keeps a pod for the trial's end.
func (c *Cell) took(w *workload) {
	if c.workload == nil {
		c.workload = w
	}
	c.workloads = append(c.workloads, w)
}

// socketDir is a directory on the pod's node, mounted into the pod.
func (b *Batch) socketDir(w *workload) string { return "/run/nfsim/" + b.RunID + "/" + w.base() }

// agentSocket is the name of the agent's socket in its directory.
const agentSocket = "/agent.sock"

// createPod asks the API server for the pod, or for what controls it, and then
// waits until there is one on a node.
func (b *Batch) createPod(ctx context.Context, k *kube.Client, w *workload) error {
	defer waiting(ctx)()
	spec := b.podSpec(w)
	var err error
	if w.plan.controller == "" {
		spec.Node = w.at.Name
		w.pod, err = k.CreateWorkloadPod(ctx, spec)
	} else if err = k.CreateController(ctx, w.plan.controller, spec); err == nil {
		err = b.takePod(ctx, k, w, func(*corev1.Pod) bool { return true })
	}
	if err == nil {
		w.cell.own(string(w.pod.UID))
	}
	return err
}

// takePod waits until the controller of w has a pod on a node, as cond wants it,
// and takes it for that of w.
func (b *Batch) takePod(ctx context.Context, k *kube.Client, w *workload, cond func(*corev1.Pod) bool) error {
	end := awaiting(ctx, awaitPodPlaced, "", w.base())
	pod, err := k.AwaitControlled(ctx, b.namespace(), w.base(), func(p *corev1.Pod) bool { return p.Spec.NodeName != "" && cond(p) })
	end(err)
	if err != nil {
		return err
	}
	for _, m := range []lab.Machine{b.Target, b.Other} {
		if m.Name == pod.Spec.NodeName {
			w.pod, w.at = pod, m
			return nil
		}
	}
	return fmt.Errorf("pod %s was placed on %s, which is not of this batch", pod.Name, pod.Spec.NodeName)
}

// podSpec is what is asked of the API server, but for the node.
func (b *Batch) podSpec(w *workload) kube.WorkloadPod {
	args := []string{"listen", kube.SocketDir + agentSocket}
	if w.plan.ignoreTerm {
		args = append(args, "--ignore-term")
	}
	grace := int64(graceOf(w.plan).Seconds())
	spec := kube.WorkloadPod{
		Name: w.base(), Namespace: b.namespace(), Claim: w.cell.Key, SubPath: w.plan.subPath(), MountPath: w.plan.mountPath(),
		Args: args, SocketHostDir: b.socketDir(w), TerminationGracePeriodSeconds: &grace,
	}
	if w.plan.shape == shapeInline {
		spec.Claim, spec.NFS = "", &kube.NFSSource{Server: b.server().Addr, Path: w.cell.Export.Path}
	}
	if w.plan.tolerates > 0 {
		seconds := int64(w.plan.tolerates.Seconds())
		for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			spec.Tolerations = append(spec.Tolerations, corev1.Toleration{
				Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds,
			})
		}
	}
	if w.plan.controller != "" {
		spec.Affinity = b.targetIfPossible()
	}
	return spec
}

// graceOf is a pod's grace period.
func graceOf(p podPlan) time.Duration { return cmp.Or(p.grace, podGrace) }

// targetIfPossible has the scheduler place a pod on Target, or else on Other.
func (b *Batch) targetIfPossible() *corev1.Affinity {
	on := func(names ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: names,
		}}}
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{on(b.Target.Name, b.Other.Name)},
		},
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 100, Preference: on(b.Target.Name)}},
	}}
}

// awaitContainer waits until the pod's container runs, another one than w knew
// so far; reads its process and its mount from the node, and reaches the agent
// in it.
func (b *Batch) awaitContainer(ctx context.Context, k *kube.Client, w *workload) error {
	before := w.containerID
	end := awaiting(ctx, awaitPodRunning, w.at.Name, w.name())
	stop := waiting(ctx)
	pod, err := k.AwaitPod(ctx, b.namespace(), w.name(), func(pod *corev1.Pod) bool {
		return kube.PodRunning(pod) && kube.ContainerID(pod) != before
	})
	stop()
	end(err)
	if err != nil {
		return b.withPodEvents(ctx, k, w, err)
	}
	w.pod, w.containerID = pod, kube.ContainerID(pod)
	w.lives++
	err = w.findOnNode(ctx, b.on(w.at), w.at.Runtime().State)
	w.noteFound(ctx, before)
	if err != nil {
		return err
	}
	if err := b.followMounts(ctx, w); err != nil {
		return err
	}
	node, err := b.node(ctx, w.at)
	if err != nil {
		return err
	}
	w.client, err = dialPod(ctx, node, b.socketDir(w)+agentSocket, w.name())
	return err
}

// dialPod reaches the agent in a pod; a container that runs has not yet made
// its socket. The socket is root's: a login that is not root has no way to it
// but a process of the node that becomes root. Else none is needed.
func dialPod(ctx context.Context, node *sshnode.Node, socket, name string) (*agent.Client, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	defer waiting(ctx)()
	dial := dialForwarded
	if node.Sudo() {
		dial = agent.DialSocket
	}
	for {
		client, err := dial(ctx, node, socket)
		if err == nil {
			return client, nil
		}
		var transport *sshnode.TransportError
		if errors.As(err, &transport) {
			return nil, fmt.Errorf("reach the agent in pod %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reach the agent in pod %s: %w (last: %w)", name, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// dialForwarded starts a session with the agent on a socket that the node
// forwards.
func dialForwarded(ctx context.Context, node *sshnode.Node, socket string) (*agent.Client, error) {
	conn, err := node.Dial(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return agent.New(conn, node.Name()+":"+socket), nil
}

// withPodEvents adds to err what the API tells about the pod.
func (b *Batch) withPodEvents(ctx context.Context, k *kube.Client, w *workload, err error) error {
	events, eventsErr := k.PodEvents(context.WithoutCancel(ctx), b.namespace(), w.name())
	if eventsErr != nil {
		return err
	}
	for _, ev := range events {
		if ev.Type == corev1.EventTypeWarning {
			err = fmt.Errorf("%w; %s: %s", err, ev.Reason, ev.Message)
		}
	}
	return err
}

// containerPID reads the process of a container from the runtime's directory state
// (lab.Runtime) on its node.
func containerPID(ctx context.Context, v *vantage, state, id string) (pid int, err error) {
	t, err := v.must(ctx, proto.Request{Op: proto.OpReadFile, Path: state + "/" + id + "/init.pid", Limit: 32})
	if err == nil {
		pid, err = strconv.Atoi(strings.TrimSpace(string(t.Data)))
	}
	if err != nil {
		return 0, fmt.Errorf("find the process of container %s: %w", id, err)
	}
	return pid, nil
}

// findOnNode reads the container's process and the volume's mount from the
// node's own tables; state is lab.Runtime's.
func (w *workload) findOnNode(ctx context.Context, v *vantage, state string) error {
	var err error
	if w.pid, err = containerPID(ctx, v, state, w.containerID); err != nil {
		return err
	}
	t, err := v.must(ctx, proto.Request{Op: proto.OpMountinfo, PID: 1})
	if err != nil {
		return err
	}
	mounts, err := nfs.ParseMountinfo(strings.NewReader(t.Text))
	if err != nil {
		return err
	}
	bound, mounted := nfs.MountBelow(mounts, w.podDir()+"/volume-subpaths")
	if !mounted && w.plan.subPath() != "" {
		return &nfs.NotMountedError{Node: v.machine, Target: w.podDir() + "/volume-subpaths"}
	}
	m, mounted := nfs.MountBelow(mounts, w.podDir()+"/volumes")
	if !mounted {
		return &nfs.NotMountedError{Node: v.machine, Target: w.podDir() + "/volumes"}
	}
	w.hostMount, w.subMount = m.Mountpoint, bound.Mountpoint
	w.cell.ownDevice(v.machine + ": " + m.MajorMinor + " ") // device numbers are a machine's own
	return w.cell.accept(v.machine, m)
}

// startAppending starts the pod's writer and the server's look at what
// arrives, and waits until both have seen some records.
func (b *Batch) startAppending(ctx context.Context, w *workload) error {
	if err := b.followArrivals(ctx, w); err != nil {
		return err
	}
	var err error
	w.appends, err = w.cell.append(inPod(ctx, w), w.client, w.at.Name, w.records(), w.file(), proto.StreamSpec{
		Path: w.path(), Client: w.records(), Sync: "fsync",
		IntervalUS: appendEveryUS, OnError: "retry",
	})
	if err != nil {
		return err
	}
	defer waiting(ctx)()
	if err := w.appends.awaitSeq(ctx, "appends of the pod", calmRecords); err != nil {
		return err
	}
	return w.arrivals.awaitSeq(ctx, "arrivals at the server", calmRecords)
}

// followArrivals starts the server's look at the pod's file, one for all pods
// that append to it.
func (b *Batch) followArrivals(ctx context.Context, w *workload) error {
	w.cell.arrivalsMu.Lock()
	defer w.cell.arrivalsMu.Unlock()
	for _, other := range w.cell.workloads {
		if other.file() == w.file() && other.arrivals != nil {
			w.arrivals = other.arrivals
			return nil
		}
	}
	var err error
	w.arrivals, err = w.cell.tail(ctx, b.on(b.server()), w.cell.Export.Path+"/"+w.file())
	return err
}

// moreAppends waits until the pod has had n more records acknowledged.
func (b *Batch) moreAppends(ctx context.Context, w *workload, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	defer waiting(ctx)()
	return w.appends.awaitSeq(ctx, "appends of the pod", w.appends.seq()+n)
}
