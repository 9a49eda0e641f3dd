package scenarios

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/consistency"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// The modes of kubelet-kill that a full run has too: what the kubelet is in the
// midst of.
const (
	modeMidMount   = "mid-mount"   // its mount command waits for a server that is silent
	modeMidUnmount = "mid-unmount" // the container has ended, the volume is still mounted
)

const (
	// midwayTimeout is how long the moment is waited for.
	midwayTimeout = 90 * time.Second
	// eventMountWaits is a mount command for the pod's volume, found in the node's
	// process table; factMounts says how often the volume is mounted in the end.
	eventMountWaits = "mount-waits"
	factMounts      = "mounts_"
	// factMountedAtKill says that the volume was mounted when the kubelet was dead.
	factMountedAtKill = "mounted_at_kill"
)

// killMidMount kills the kubelet while mount(8) waits for a server that is
// silent, has the kubelet back first and then the server, and waits until the
// pod writes.
func (b *Batch) killMidMount(ctx context.Context, k *kube.Client) error {
	peer, err := netip.ParseAddr(b.server().Addr)
	if err != nil {
		return fmt.Errorf("address of %s: %w", b.server().Name, err)
	}
	dark := fault.Partition(b.Target.Name, fault.Cut{Peer: peer, Mode: fault.Drop})
	dark.Name = faultServerDark
	bringBack, err := b.inject(ctx, dark)
	if err != nil {
		return err
	}
	defer func() { _ = bringBack(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
	pods := map[*Cell]*workload{}
	for _, c := range b.live() {
		pods[c] = &workload{cell: c, plan: podPlan{label: modeMidMount, file: modeMidMount}, at: b.Target}
		c.took(pods[c])
	}
	err = b.each(ctx, "await a mount that waits", func(ctx context.Context, c *Cell) error {
		if err := b.createPod(ctx, k, pods[c]); err != nil {
			return err
		}
		return b.awaitMountCommand(ctx, pods[c])
	})
	if err != nil {
		return err
	}
	if err := b.killAndRestart(ctx, modeMidMount); err != nil {
		return err
	}
	if err := bringBack(ctx); err != nil {
		return err
	}
	return b.each(ctx, "await the pod", func(ctx context.Context, c *Cell) error {
		ctx, cancel := context.WithTimeout(ctx, podTimeout)
		defer cancel()
		w := pods[c]
		if err := b.awaitContainer(ctx, k, w); err != nil {
			return err
		}
		if err := b.startAppending(ctx, w); err != nil {
			return err
		}
		if err := b.countMounts(ctx, w); err != nil {
			return err
		}
		return b.endAppending(ctx, w)
	})
}

// killAndRestart kills the kubelet, under the name of the mode, and waits until
// it is back.
func (b *Batch) killAndRestart(ctx context.Context, mode string) error {
	kill := fault.KubeletKill(b.Target.Name, b.Target.Kubelet())
	kill.Name = mode
	heal, err := b.inject(ctx, kill)
	if err != nil {
		return err
	}
	if err := heal(ctx); err != nil {
		return err
	}
	return b.awaitKubelet(ctx)
}

// awaitMountCommand waits until the node's process table has a mount command for
// the pod's volume.
func (b *Batch) awaitMountCommand(ctx context.Context, w *workload) error {
	ctx, cancel := context.WithTimeout(ctx, midwayTimeout)
	defer cancel()
	defer waiting(ctx)()
	node, err := b.node(ctx, w.at)
	if err != nil {
		return err
	}
	find := fmt.Sprintf(`for p in /proc/[0-9]*; do
  read -r name < "$p/comm" 2>/dev/null || continue
  case "$name" in mount.nfs*) tr '\0' ' ' < "$p/cmdline" | grep -F %s && exit 0;; esac
done
exit 1
`, sshnode.Quote(w.podDir()))
	for {
		text, err := node.Output(ctx, find)
		if err == nil {
			w.cell.now("node", eventMountWaits, w.subject(), strings.TrimSpace(text))
			return nil
		}
		if err := mono.Sleep(ctx, healthEvery); err != nil {
			return fmt.Errorf("await a mount command for pod %s: %w", w.name(), err)
		}
	}
}

// countMounts records how often the pod's volume is mounted on its node.
func (b *Batch) countMounts(ctx context.Context, w *workload) error {
	t, err := b.on(w.at).must(ctx, proto.Request{Op: proto.OpMountinfo, PID: 1})
	if err != nil {
		return err
	}
	mounts, err := nfs.ParseMountinfo(strings.NewReader(t.Text))
	if err != nil {
		return err
	}
	n := int64(0)
	for _, m := range mounts {
		if m.Mountpoint == w.hostMount {
			n++
		}
	}
	w.cell.Trial.SetFact(factMounts+w.plan.label, n)
	return nil
}

// killMidUnmount deletes a pod and kills the kubelet as soon as the container has
// ended, when the volume's turn comes.
func (b *Batch) killMidUnmount(ctx context.Context, k *kube.Client) error {
	pods := map[*Cell]*workload{}
	ends := map[*Cell]*ending{}
	for _, c := range b.live() {
		pods[c] = c.workload
		ends[c] = b.watchEnd(ctx, c.workload).alsoInAPI(ctx, b, k, c.workload)
	}
	err := b.each(ctx, "write: "+modeMidUnmount, func(ctx context.Context, c *Cell) error {
		if err := b.appendTo(ctx, pods[c], modeMidUnmount); err != nil {
			return err
		}
		return b.deletePod(ctx, k, pods[c], nil)
	})
	if err != nil {
		return err
	}
	err = b.each(ctx, "await the container's end", func(ctx context.Context, c *Cell) error {
		return ends[c].awaitOne(ctx, eventWriterDead, midwayTimeout)
	})
	if err != nil {
		return err
	}
	kill := fault.KubeletKill(b.Target.Name, b.Target.Kubelet())
	kill.Name = modeMidUnmount
	heal, err := b.inject(ctx, kill)
	if err != nil {
		return err
	}
	err = b.each(ctx, "look at the mounts", func(ctx context.Context, c *Cell) error {
		mounted, _, err := b.mountsKept(ctx, pods[c])
		c.Trial.SetFact(factMountedAtKill, mounted)
		return err
	})
	if err != nil {
		return err
	}
	if err := heal(ctx); err != nil {
		return err
	}
	if err := b.awaitKubelet(ctx); err != nil {
		return err
	}
	return b.each(ctx, "await the pods' ends", func(ctx context.Context, c *Cell) error {
		if _, err := ends[c].await(ctx, endTimeout); err != nil {
			return err
		}
		return b.lastTruth(ctx, pods[c])
	})
}

// judgeMidMount says whether the volume was mounted once, in the end.
func judgeMidMount(e *Evidence) (Mode, bool) {
	m := Mode{Name: modeMidMount}
	f, found := e.fault(modeMidMount)
	if !found {
		return m, false
	}
	waits, waited := e.First(eventMountWaits, "")
	if !f.Proven || !waited || waits.T > f.InjectedAt {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.NoFault, "no mount command waited when the kubelet was killed: %s", f.Error).In("faults.jsonl", "observations.jsonl")}
		return m, true
	}
	j := judgeMode(e, modeMidMount, consistency.AppendLog)
	m.Outcomes, m.Models = j.Outcomes, j.Models
	switch n, ok := number(e.Trial.Facts[factMounts+modeMidMount]); {
	case !ok:
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Inconclusive, "nobody counted the mounts").In("trial.json"))
	case n != 1:
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Leaked, "the volume is mounted %d times on its mount point", n).From("node").In("trial.json"))
	default:
		m.Outcomes = append(m.Outcomes, outcome.New(outcome.Stayed, "the pod runs, and its volume is mounted once").From("node").In("trial.json"))
	}
	return m, true
}

// judgeMidUnmount says how the pod came to its end.
func judgeMidUnmount(e *Evidence) (Mode, bool) {
	m := Mode{Name: modeMidUnmount}
	f, found := e.fault(modeMidUnmount)
	if !found {
		return m, false
	}
	if mounted, ok := e.Trial.Facts[factMountedAtKill].(bool); !f.Proven || !ok || !mounted {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.NoFault, "the volume was not mounted any more when the kubelet was dead: %s", f.Error).In("faults.jsonl", "trial.json")}
		return m, true
	}
	of := *e
	of.Ops = opsOf(e.Ops, modeMidUnmount)
	if n := ackedUntil(funcOps(of.Ops, history.Append), f.InjectedAt); n < calmRecords {
		m.Outcomes = []outcome.Outcome{outcome.New(outcome.Inconclusive, "only %d appends were acknowledged before the pod's end, %d are wanted", n, calmRecords).In("history.jsonl")}
		return m, true
	}
	j := judgeModels(of.Ops, consistency.AppendLog)
	m.Models, m.Outcomes = j.Models, j.Outcomes
	end := podEnd{client: podAppends, since: f.HealedAt, what: "the kubelet was started again", limit: endTimeout}
	outcomes, notes, gone := end.outcomes(&of)
	if !gone {
		outcomes = []outcome.Outcome{stuckTerminating(end)}
	}
	m.Outcomes = append(m.Outcomes, outcomes...)
	m.Notes, m.Figures = notes, end.figures(e)
	return m, true
}
