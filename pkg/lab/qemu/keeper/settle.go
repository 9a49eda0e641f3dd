package keeper

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// settleTimeout bounds each of the two waits of settle. They make restores
	// fast, not right: a lab that does not settle is saved as it is.
	settleTimeout = 60 * time.Second
	// settleWindow is the time over which a machine's idleness is taken.
	settleWindow = 2 * time.Second
	// settleIdle is how idle each machine has to be, as a share of one.
	settleIdle = 0.7
	// leaseAge is the age of a node's lease at which its renewal is near:
	// kubelet renews every 10 s, ± 4 % (pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction).
	leaseAge = 9 * time.Second
)

// settle waits for the moment at which a snapshot is worth most. A restored lab
// goes on with whatever its machines were doing, so they should have come to
// rest after their boot; and it is ready when each node's lease has been
// renewed, so the renewals should be due.
func (k *keeper) settle(ctx context.Context, access cluster.Access) error {
	begin := time.Now()
	for _, wait := range []func(context.Context, cluster.Access) error{k.awaitIdle, k.awaitLeasesDue} {
		bounded, cancel := context.WithTimeout(ctx, settleTimeout)
		err := wait(bounded, access)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			k.steps.logf("saved without rest: %v", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	k.steps.logf("machines at rest after %.1f s", time.Since(begin).Seconds())
	return nil
}

func (k *keeper) awaitIdle(ctx context.Context, access cluster.Access) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range k.runningMachines() {
		g.Go(func() error {
			node, err := k.dial(ctx, r.Name(), access)
			if err != nil {
				return k.machineError(r.Name(), "does not answer on SSH", err)
			}
			defer node.Close()
			if err := awaitIdle(ctx, node); err != nil {
				return fmt.Errorf("wait for %s to be idle: %w", r.Name(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func awaitIdle(ctx context.Context, node *sshnode.Node) error {
	tick := time.NewTicker(settleWindow)
	defer tick.Stop()
	var before cpuTime
	for first := true; ; first = false {
		out, err := node.Output(ctx, "head -n 1 /proc/stat")
		if err != nil {
			return err
		}
		now, err := parseCPUTime(out)
		if err != nil {
			return err
		}
		if !first && now.idleSince(before) >= settleIdle {
			return nil
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// cpuTime is a processor's time in ticks since the boot.
type cpuTime struct{ idle, all uint64 }

// parseCPUTime reads the first line of /proc/stat (proc_stat(5)): user, nice,
// system, idle, iowait and others.
func parseCPUTime(line string) (cpuTime, error) {
	f := strings.Fields(line)
	if len(f) < 6 || f[0] != "cpu" {
		return cpuTime{}, fmt.Errorf("read processor time: %q is no such line", line)
	}
	var t cpuTime
	for i, s := range f[1:] {
		n, err := strconv.ParseUint(s, 10, 56)
		if err != nil {
			return cpuTime{}, fmt.Errorf("read processor time: %w", err)
		}
		t.all += n
		if i == 3 || i == 4 {
			t.idle += n
		}
	}
	return t, nil
}

func (t cpuTime) idleSince(before cpuTime) float64 {
	if t.all <= before.all || t.idle < before.idle {
		return 0
	}
	return float64(t.idle-before.idle) / float64(t.all-before.all)
}

// awaitLeasesDue waits until the renewal of one node's lease is due and those
// of the others follow as soon after it as can be.
func (k *keeper) awaitLeasesDue(ctx context.Context, access cluster.Access) error {
	api, err := k.api(access)
	if err != nil {
		return err
	}
	seen := leaseAges{workers: k.spec.Workers, at: map[string]leaseSeen{}}
	return pollLeases(ctx, api, "the nodes' leases to be due", func(versions map[string]string) bool {
		now := time.Now()
		for node, v := range versions {
			seen.observe(node, v, now)
		}
		return seen.due(now)
	})
}

// leaseAges knows when each lease was last seen to change.
type leaseAges struct {
	workers int
	at      map[string]leaseSeen
}

type leaseSeen struct {
	version string
	renewed time.Time // zero until a change was seen
}

func (l *leaseAges) observe(node, version string, now time.Time) {
	old, known := l.at[node]
	switch {
	case !known:
		l.at[node] = leaseSeen{version: version}
	case old.version != version:
		l.at[node] = leaseSeen{version: version, renewed: now}
	}
}

// due says whether now is just before the renewal that opens the shortest
// round of all renewals.
func (l *leaseAges) due(now time.Time) bool {
	if len(l.at) < l.workers {
		return false
	}
	const period = 10 * time.Second
	var ages []time.Duration
	for _, s := range l.at {
		if s.renewed.IsZero() {
			return false
		}
		ages = append(ages, now.Sub(s.renewed)%period)
	}
	best, opener := period, time.Duration(0)
	for _, open := range ages { // the lease that this round begins with
		round := time.Duration(0)
		for _, a := range ages {
			round = max(round, (open-a+period)%period)
		}
		if round < best {
			best, opener = round, open
		}
	}
	return opener >= leaseAge
}
