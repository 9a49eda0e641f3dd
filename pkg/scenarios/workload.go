package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// kubeletHealth is where a kubelet serves /healthz by default
	// (KubeletConfiguration healthzPort), on the node's loopback.
	kubeletHealth = "127.0.0.1:10248"

	// podTimeout bounds a pod's way to Running, and kubeletTimeout a
	// kubelet's to healthy, on an emulated machine.
	podTimeout     = 3 * time.Minute
	kubeletTimeout = 2 * time.Minute

	// appendEveryUS is the pause between two records of a pod, in µs.
	appendEveryUS = 100_000
	// calmRecords is how many records are awaited before a fault and between
	// its steps: enough that every phase of a trial has operations in it.
	calmRecords = 10

	logFile    = "log"  // in the export
	podAppends = "pod"  // client of the pod's appends in a history
	secondName = "peer" // client of the other worker's own mount
)

// workload is a cell's pod and everything that is known of it.
type workload struct {
	claim       kube.Claim
	pod         *corev1.Pod
	containerID string
	pid         int    // of the agent in the container, in the node's PID namespace
	hostMount   string // where the kubelet mounted the volume
	client      *agent.Client
	appends     *follower
	arrivals    *follower // on the server's disk
}

func (w *workload) podDir() string { return "/var/lib/kubelet/pods/" + string(w.pod.UID) }

// withPods gives every cell a claim with the cell's mount options
// and a pod on Target that appends to a log, for as long as body runs. Other
// mounts the same export with the same options: the second client.
func (b *Batch) withPods(ctx context.Context, body func(ctx context.Context, k *kube.Client) error) error {
	k, err := b.Kube(ctx)
	if err != nil {
		return err
	}
	return b.frame(ctx,
		func(ctx context.Context) error {
			b.Phase("start pods")
			stop := waiting(ctx)
			err := k.EnsureNamespace(ctx, b.namespace())
			stop()
			if err != nil {
				return err
			}
			// The second client's own mounts.
			if err := b.mountAll(ctx, b.Other, b.Cells); err != nil {
				return err
			}
			return b.each(ctx, "start pods", func(ctx context.Context, c *Cell) error { return b.startPod(ctx, k, c) })
		},
		func(ctx context.Context) error { return body(ctx, k) },
		func(ctx context.Context) error {
			err := b.eachAnyway(ctx, func(ctx context.Context, c *Cell) error { return b.stopPod(ctx, k, c) })
			return errors.Join(err, b.unmountAll(ctx, b.Other))
		},
	)
}

// Namespace is the run's own Kubernetes namespace.
func Namespace(runID string) string { return "nfsim-" + runID }

func (b *Batch) namespace() string { return Namespace(b.RunID) }

func (b *Batch) startPod(ctx context.Context, k *kube.Client, c *Cell) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	w := &workload{}
	c.workload = w
	var err error
	stop := waiting(ctx)
	w.claim, err = k.CreateNFSClaim(ctx, kube.NFSClaim{
		Name: c.Key, Namespace: b.namespace(), Server: b.server().Addr, Path: c.Export.Path,
		MountOptions: strings.Split(c.Profile.Options, ","), ReadWriteMany: true,
	})
	stop()
	if err != nil {
		return err
	}
	socketDir := "/run/nfsim/" + b.RunID + "/" + c.Key
	grace := int64(5)
	stop = waiting(ctx)
	w.pod, err = k.CreateWorkloadPod(ctx, kube.WorkloadPod{
		Name: c.Key, Namespace: b.namespace(), Node: b.Target.Name, Claim: c.Key,
		Args: []string{"listen", kube.SocketDir + "/agent.sock"}, SocketHostDir: socketDir,
		TerminationGracePeriodSeconds: &grace,
	})
	stop()
	if err != nil {
		return err
	}
	c.own(c.Key, string(w.pod.UID))
	stop = waiting(ctx)
	w.pod, err = k.AwaitPod(ctx, b.namespace(), c.Key, kube.PodRunning)
	stop()
	if err != nil {
		return b.withPodEvents(ctx, k, c, err)
	}
	w.containerID = kube.ContainerID(w.pod)
	if err := w.findOnNode(ctx, b.on(b.Target), b.Target.Runtime().State, c); err != nil {
		return err
	}
	// By a forwarded socket: no process of the node is needed to reach the pod.
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return err
	}
	if w.client, err = dialPod(ctx, node, socketDir+"/agent.sock", c.Key); err != nil {
		return err
	}
	return b.startAppending(ctx, c)
}

// dialPod reaches the agent in a pod; a container that runs has not yet made
// its socket.
func dialPod(ctx context.Context, node *sshnode.Node, socket, name string) (*agent.Client, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	defer waiting(ctx)()
	for {
		conn, err := node.Dial(ctx, "unix", socket)
		if err == nil {
			return agent.New(conn, name), nil
		}
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) {
			return nil, fmt.Errorf("reach the agent in pod %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reach the agent in pod %s: %w (last: %w)", name, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// withPodEvents adds to err what the API tells about the pod.
func (b *Batch) withPodEvents(ctx context.Context, k *kube.Client, c *Cell, err error) error {
	events, eventsErr := k.PodEvents(context.WithoutCancel(ctx), b.namespace(), c.Key)
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

// findOnNode reads the container's process and the volume's mount from the
// node's own tables; state is lab.Runtime's.
func (w *workload) findOnNode(ctx context.Context, v *vantage, state string, c *Cell) error {
	t, err := v.must(ctx, proto.Request{Op: proto.OpReadFile, Path: state + "/" + w.containerID + "/init.pid", Limit: 32})
	if err == nil {
		w.pid, err = strconv.Atoi(strings.TrimSpace(string(t.Data)))
	}
	if err != nil {
		return fmt.Errorf("find the process of container %s: %w", w.containerID, err)
	}
	t, err = v.must(ctx, proto.Request{Op: proto.OpMountinfo, PID: 1})
	if err != nil {
		return err
	}
	mounts, err := nfs.ParseMountinfo(strings.NewReader(t.Text))
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.IsNFS() && strings.HasPrefix(m.Mountpoint, w.podDir()+"/") {
			w.hostMount = m.Mountpoint
			c.own(v.machine + ": " + m.MajorMinor + " ") // device numbers are a machine's own
			return c.accept(v.machine, m)
		}
	}
	return &nfs.NotMountedError{Node: v.machine, Target: w.podDir() + "/volumes"}
}

// startAppending starts the pod's writer and the server's look at what
// arrives, and waits until both have seen some records.
func (b *Batch) startAppending(ctx context.Context, c *Cell) error {
	w := c.workload
	var err error
	if w.arrivals, err = c.tail(ctx, b.on(b.server()), c.Export.Path+"/"+logFile); err != nil {
		return err
	}
	w.appends, err = c.append(ctx, w.client, b.Target.Name, podAppends, logFile, proto.StreamSpec{
		Path: kube.DefaultMountPath + "/" + logFile, Client: podAppends, Sync: "fsync",
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

// moreAppends waits until the pod has had n more records acknowledged.
func (b *Batch) moreAppends(ctx context.Context, c *Cell, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	defer waiting(ctx)()
	return c.workload.appends.awaitSeq(ctx, "appends of the pod", c.workload.appends.seq()+n)
}

// stopPod deletes what startPod made and waits until the node has let go of
// it, as long as ctx allows.
func (b *Batch) stopPod(ctx context.Context, k *kube.Client, c *Cell) error {
	w := c.workload
	var err error
	if w != nil && w.client != nil {
		w.client.Close()
	}
	if w != nil && w.arrivals != nil {
		_, err = w.arrivals.stop(ctx)
	}
	if w != nil && w.pod != nil {
		stop := waiting(ctx)
		_, deleteErr := k.DeletePod(ctx, b.namespace(), c.Key, nil)
		_, goneErr := k.AwaitPodGone(ctx, b.namespace(), c.Key, w.pod.UID)
		stop()
		err = errors.Join(err, ignoreNotFound(deleteErr), goneErr, b.awaitNodeClean(ctx, c))
	}
	return err
}

// nodeCleanTimeout is how long a node gets to remove a pod's mount and
// directory. What is there after it is left behind: the ledger says so.
const nodeCleanTimeout = 60 * time.Second

// awaitNodeClean waits until the pod's directory is gone from the node. A
// directory that stays is no error here.
func (b *Batch) awaitNodeClean(ctx context.Context, c *Cell) error {
	ctx, cancel := context.WithTimeout(ctx, nodeCleanTimeout)
	defer cancel()
	defer waiting(ctx)()
	gone := b.watchGone(ctx, c, "poddir-gone", proto.StreamSpec{
		Kind: proto.Poller, Mode: proto.PollLookup, Path: c.workload.podDir(), Decode: "none",
		IntervalUS: 50_000, ChangesOnly: true,
	})
	select {
	case err := <-gone:
		return err
	case <-ctx.Done():
		return nil
	}
}

// watchGone starts a stream on Target whose first event with Gone or ENOENT
// is noted as an observation; then the channel delivers nil. An error of the
// stream is delivered instead.
func (b *Batch) watchGone(ctx context.Context, c *Cell, event string, spec proto.StreamSpec) <-chan error {
	result := make(chan error, 1)
	v := b.on(b.Target)
	s, err := v.client.StartStream(ctx, proto.Request{Op: proto.OpStart, Start: &spec})
	if err != nil {
		result <- fmt.Errorf("watch for %s: %w", event, err)
		return result
	}
	go func() {
		for ev := range s.Events() {
			if ev.Errno == "ENOENT" || ev.Found != nil && !*ev.Found {
				c.observe(v.machine, rundir.Observation{T: ev.T1, Source: "node", Event: event, Subject: c.Key, Detail: spec.Path})
				result <- nil
				// The event is what mattered; the stream dies with the agent.
				_, _ = s.Stop(context.WithoutCancel(ctx))
				return
			}
		}
		result <- fmt.Errorf("watch for %s: the stream has ended: %w", event, s.Err())
	}()
	return result
}

// awaitKubelet waits until the kubelet on Target says that it is healthy, and
// notes when.
func (b *Batch) awaitKubelet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kubeletTimeout)
	defer cancel()
	defer waiting(ctx)()
	node, err := b.node(ctx, b.Target)
	if err != nil {
		return err
	}
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return node.Dial(ctx, "tcp", kubeletHealth) },
		},
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := healthz(ctx, client)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await healthy kubelet on %s: %w (last answer: %w)", b.Target.Name, ctx.Err(), err)
		case <-tick.C:
		}
	}
	for _, c := range b.Cells {
		c.now("node", "kubelet-healthy", b.Target.Name, "")
	}
	return nil
}

// healthz asks a kubelet once.
func healthz(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+kubeletHealth+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("healthz: %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
