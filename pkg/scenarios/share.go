package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/shareserver"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// shareTimeout bounds what the control plane and a kubelet take to bring a share
// server up, or to take it away, on an emulated machine.
const shareTimeout = 3 * time.Minute

// shareProfiles are the columns of family share-server: how a client's calls end
// while their server is away.
func shareProfiles() []nfs.Profile {
	list := []nfs.Profile{{Name: "hard", Options: "vers=4.2", Export: nfs.DefaultExport, Doc: "NFSv4.2, calls wait for their server for ever: the mount options of default"}}
	for _, p := range nfs.Builtin() {
		if p.Name == "soft" || p.Name == "softerr" {
			list = append(list, p)
		}
	}
	return list
}

// share is the share of one cell: its server runs on Target, as a pod; its clients
// are a pod on Other and the lab's server machine. No machine mounts what it
// serves itself.
type share struct {
	cell *Cell
	// made is the resource as it stood when it served for the first time: its
	// address is what the clients have mounted.
	made *shareserver.ShareServer
	pod  *workload // the first client
	peer client    // the second one
}

// name is that of the resource and of its pod.
func (c *Cell) shareName() string { return c.Key + "-share" }

// writer is the first client: the agent in the pod. Its clock is its machine's.
func (s *share) writer() client {
	return client{at: &vantage{machine: s.pod.at.Name, client: s.pod.client}, root: kube.DefaultMountPath}
}

// source is what the clients mount.
func (s *share) source() nfs.MountSpec {
	return nfs.MountSpec{
		Server: s.made.Status.Address, Path: shareserver.ExportPath,
		Options: fmt.Sprintf("%s,port=%d", s.cell.Profile.Options, s.made.Status.Port),
	}
}

// disk is where a file of the share is on Target.
func (s *share) disk(file string) string { return s.made.Spec.DataDir + "/" + file }

// shares is what a batch has of share servers.
type shares struct {
	b     *Batch
	k     *kube.Client
	api   *shareserver.Client
	image string

	mu   sync.Mutex
	stop func() // ends the reconciler and waits for its end; nil: there is none
	// last is done when the clients are gone, before the servers are removed.
	last []func(ctx context.Context) error
}

// withShares gives every cell a share, with a client in a pod and another on the
// lab's server machine, for as long as body runs.
func (b *Batch) withShares(ctx context.Context, body func(ctx context.Context, s *shares) error) error {
	k, err := b.Kube(ctx)
	if err != nil {
		return err
	}
	config, err := b.Lab.Kubeconfig(ctx)
	if err != nil {
		return err
	}
	api, err := shareserver.New(config, b.namespace(), b.RunID)
	if err != nil {
		return err
	}
	s := &shares{b: b, k: k, api: api}
	b.objects = s.ledger
	quiet := func() {}
	return b.frame(ctx,
		func(ctx context.Context) error {
			b.Phase("start share servers")
			if err := k.EnsureNamespace(ctx, b.namespace()); err != nil {
				return err
			}
			quiet = b.followAPI(ctx, k)
			return s.setUp(ctx)
		},
		func(ctx context.Context) error { return body(ctx, s) },
		func(ctx context.Context) error {
			err := s.tearDown(ctx)
			quiet()
			return err
		},
	)
}

// setUp brings up the servers, then their clients.
func (s *shares) setUp(ctx context.Context) error {
	b := s.b
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, 2*shareTimeout)
	defer cancel()
	err := atOnce(2, func(i int) (err error) {
		if i == 0 {
			return s.api.Define(ctx)
		}
		s.image, err = b.ShareImage(ctx, b.Target)
		return err
	})
	if err != nil {
		return err
	}
	s.reconcile(ctx)
	err = b.each(ctx, "start share servers", func(ctx context.Context, c *Cell) (err error) {
		c.own(c.Key, shareserver.DefinitionName)
		made, err := s.serve(ctx, c, 0)
		if err == nil {
			c.share = &share{cell: c, made: made}
		}
		return err
	})
	if err != nil {
		return err
	}
	cells := b.live()
	for _, c := range cells {
		c.share.peer = c.mounted(b.on(b.server()))
	}
	if err := b.mountAll(ctx, b.server(), cells); err != nil {
		return err
	}
	return b.each(ctx, "start the clients' pods", func(ctx context.Context, c *Cell) error {
		if err := b.makeClaim(ctx, s.k, c, false); err != nil {
			return err
		}
		w := &workload{cell: c, at: b.Other}
		c.took(w)
		c.share.pod = w
		if err := b.createPod(ctx, s.k, w); err != nil {
			return err
		}
		return b.awaitContainer(ctx, s.k, w)
	})
}

// reconcile starts the reconciler, which outlives ctx: stopReconciler ends it.
func (s *shares) reconcile(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.controlled(context.WithoutCancel(ctx)))
	over := make(chan struct{})
	r := s.api.Reconciler(func(format string, args ...any) {
		s.b.nowAllDetail("reconciler", "said", s.b.ID, fmt.Sprintf(format, args...))
	})
	go func() {
		defer close(over)
		r.Run(ctx)
	}()
	s.stop = func() {
		cancel()
		<-over
	}
}

// controlled returns a context in which what the reconciler changes is noted for
// the cell that it belongs to. What it writes into a status is no step: without a
// reconciler nobody reads it.
func (s *shares) controlled(ctx context.Context) context.Context {
	return kube.WithTrace(ctx, func(change kube.Change) {
		if change.Subresource == "status" {
			return
		}
		for _, c := range s.b.Cells {
			if change.Object() == c.shareName() {
				note(withScribe(ctx, c), requestStep(change))
			}
		}
	})
}

// stopReconciler ends the reconciler, if it runs.
func (s *shares) stopReconciler() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// serve asks for a cell's share server and waits until it serves; a port other
// than 0 is pinned.
func (s *shares) serve(ctx context.Context, c *Cell, port int64) (*shareserver.ShareServer, error) {
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	defer waiting(ctx)()
	if _, err := s.api.Create(ctx, c.shareName(), s.spec(c, port)); err != nil {
		return nil, err
	}
	return s.api.Await(ctx, c.shareName(), shareserver.Serves)
}

// spec is what is asked for of a cell's share server.
func (s *shares) spec(c *Cell, port int64) shareserver.Spec {
	root := s.b.shareDir(c)
	return shareserver.Spec{
		Node: s.b.Target.Name, DataDir: root + "/data", StateDir: root + "/recovery", Image: s.image, Port: port,
		LeaseSeconds: int64(s.b.Lease.Seconds()), GraceSeconds: int64(s.b.Grace.Seconds()),
	}
}

// shareDir is the cell's directory on Target.
func (b *Batch) shareDir(c *Cell) string { return path.Join(shareserver.Root, b.RunID, c.Key) }

// tearDown removes clients, servers and definition. Clients that have lost their
// server are given it back at the address that they know; those that it does not
// help are unmounted by force, and the record says so.
func (s *shares) tearDown(ctx context.Context) error {
	b := s.b
	mendErr := b.eachAnyway(ctx, func(ctx context.Context, c *Cell) error {
		if c.share == nil || s.serving(ctx, c) {
			return nil
		}
		return s.mend(ctx, c)
	})
	if mendErr != nil {
		s.forceUnmount(ctx)
	}
	err := errors.Join(mendErr,
		b.eachAnyway(ctx, func(ctx context.Context, c *Cell) error { return b.stopPods(ctx, s.k, c) }),
		s.unmountPeers(ctx))
	for _, f := range s.last {
		err = errors.Join(err, f(ctx))
	}
	err = errors.Join(err, b.eachAnyway(ctx, s.remove), s.undefine(ctx))
	s.stopReconciler()
	return errors.Join(err, s.removeDirs(ctx))
}

// unmountPeers unmounts the shares on the server machine, which has no other
// mounts.
func (s *shares) unmountPeers(ctx context.Context) error {
	if err := s.b.unmountAll(ctx, s.b.server()); err != nil {
		return err
	}
	node, err := s.b.node(ctx, s.b.server())
	if err != nil {
		return err
	}
	return nfs.Mounter{}.RemoveRoot(ctx, node)
}

// serving reports whether the cell's server stands at the address that its clients
// have mounted.
func (s *shares) serving(ctx context.Context, c *Cell) bool {
	now, err := s.api.Get(ctx, c.shareName())
	return err == nil && shareserver.Serves(now) && now.Status.Port == c.share.made.Status.Port
}

// eventMended is that a cell's server was brought back at the address that its
// clients have mounted, because nothing else would have.
const eventMended = "mended"

// mend brings a cell's server back at the address that its clients have mounted.
// What was asked for since is deleted.
func (s *shares) mend(ctx context.Context, c *Cell) error {
	defer waiting(ctx)()
	if err := s.api.Define(ctx); err != nil {
		return err
	}
	s.reconcile(ctx)
	if err := s.deleteShare(ctx, c); err != nil {
		return err
	}
	made, err := s.serve(ctx, c, c.share.made.Status.Port)
	if err != nil {
		return fmt.Errorf("bring the share server of %s back: %w", c.Key, err)
	}
	c.now("controller", eventMended, c.shareName(), fmt.Sprintf("at port %d", made.Status.Port))
	return nil
}

// deleteShare deletes a cell's resource and waits until it is gone.
func (s *shares) deleteShare(ctx context.Context, c *Cell) error {
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	defer waiting(ctx)()
	there, err := s.api.Get(ctx, c.shareName())
	if err != nil || there == nil {
		return err
	}
	if err := s.api.Delete(ctx, c.shareName()); err != nil {
		return err
	}
	return s.api.AwaitGone(ctx, c.shareName(), there.UID)
}

// forceUnmount takes dead mounts away, so that kubelet and server machine are of
// use to others.
func (s *shares) forceUnmount(ctx context.Context) {
	b := s.b
	plan := nfs.UnmountPlan{Normal: -1}
	for _, c := range b.Cells {
		if c.share == nil || c.share.pod == nil || c.share.pod.hostMount == "" {
			continue
		}
		node, err := b.node(ctx, b.Other)
		if err != nil {
			return
		}
		report, err := nfs.Mounter{Root: kubeletPods}.Unmount(ctx, node, c.share.pod.hostMount, plan)
		if err == nil && report.How != nfs.NotMounted {
			c.Trial.SetFact(unmountFact+b.Other.Name, string(report.How))
		}
	}
}

// remove deletes a cell's resource and waits for the end of its pod.
func (s *shares) remove(ctx context.Context, c *Cell) error {
	defer waiting(ctx)()
	if c.share == nil {
		return s.api.Delete(ctx, c.shareName())
	}
	if err := s.deleteShare(ctx, c); err != nil {
		return err
	}
	// The garbage collector learns of a new definition within half a minute
	// (garbagecollector.go, Sync); the pod is not left to it that long.
	pods := s.k.API().CoreV1().Pods(s.b.namespace())
	pod, err := pods.Get(ctx, c.shareName(), metav1.GetOptions{})
	if err != nil {
		return ignoreNotFound(err)
	}
	if _, err := s.k.DeletePod(ctx, s.b.namespace(), c.shareName(), nil); ignoreNotFound(err) != nil {
		return err
	}
	_, err = s.k.AwaitPodGone(ctx, s.b.namespace(), c.shareName(), pod.UID)
	return err
}

// undefine deletes the definition and waits until it is gone.
func (s *shares) undefine(ctx context.Context) error {
	defer waiting(ctx)()
	if err := s.api.Undefine(ctx); err != nil {
		return ignoreNotFound(err)
	}
	return s.api.AwaitDefinition(ctx, shareserver.DefinitionGone)
}

// removeDirs removes the directories of the batch's shares, which no process has
// open any more and nothing is mounted on.
func (s *shares) removeDirs(ctx context.Context) error {
	dirs := make([]string, len(s.b.Cells))
	for i, c := range s.b.Cells {
		dirs[i] = s.b.shareDir(c)
	}
	return removeShareDirs(ctx, s.b.Lab, s.b.Target, dirs...)
}

// RemoveShareDirs removes what a run's share servers left on a worker.
func RemoveShareDirs(ctx context.Context, l lab.Lab, m lab.Machine, runID string) error {
	return removeShareDirs(ctx, l, m, path.Join(shareserver.Root, runID))
}

// removeShareDirs removes directories below shareserver.Root, and what is empty
// above them.
func removeShareDirs(ctx context.Context, l lab.Lab, m lab.Machine, dirs ...string) error {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	node, err := l.Node(ctx, m.Name)
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`if grep -qs ' %[1]s/' /proc/1/mountinfo; then echo "something is mounted below %[1]s" >&2; exit 1; fi
rm -rf --one-file-system -- %[2]s
rmdir --ignore-fail-on-non-empty %[1]s/*/ %[1]s 2>/dev/null
true`, shareserver.Root, sshnode.Quote(dirs...))
	if _, err := node.Run(ctx, script); err != nil {
		return fmt.Errorf("remove the directories of share servers on %s: %w", m.Name, err)
	}
	return nil
}

// ledger is what exists of share servers in the API.
func (s *shares) ledger(ctx context.Context) (rundir.Ledger, error) {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	objects, err := s.api.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	own, err := s.k.Ledger(ctx, s.b.namespace())
	if err != nil {
		return nil, err
	}
	ledger := rundir.Ledger(objects)
	ledger[rundir.Pods] = own["pods"]
	return ledger, nil
}
