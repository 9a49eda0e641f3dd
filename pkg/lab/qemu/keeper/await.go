package keeper

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// awaitReady waits until SSH answers on all machines, their clocks are set, the
// API server is ready and every worker's node is Ready and has renewed its lease:
// after the leases were saved, or after since when none were. A machine whose
// QEMU ends, ends the wait.
func (k *keeper) awaitReady(ctx context.Context, access cluster.Access, since time.Time, saved map[string]string) error {
	g, ctx := errgroup.WithContext(ctx)
	var clocks sync.WaitGroup
	for _, r := range k.runningMachines() {
		clocks.Add(1)
		g.Go(func() error {
			defer clocks.Done()
			return k.awaitMachine(ctx, r, access, since)
		})
	}
	g.Go(func() error { return k.awaitAPI(ctx, access, since, saved, &clocks) })
	return g.Wait()
}

// awaitMachine waits for SSH and sets the clock.
func (k *keeper) awaitMachine(ctx context.Context, r *running, access cluster.Access, since time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	node, err := k.dial(ctx, r.Name(), access)
	if err != nil {
		select {
		case <-r.Done():
			return k.machineError(r.Name(), "ended while it started", r.Err())
		default:
		}
		return k.machineError(r.Name(), "does not answer on SSH", err)
	}
	defer node.Close()
	clock, err := setClock(ctx, node, k.qemu.Arch)
	if err != nil {
		return k.machineError(r.Name(), "its clock cannot be set", err)
	}
	k.steps.logf("%s answers on SSH after %.1f s, its clock is set to %.0f ± %.0f ms", r.Name(), time.Since(since).Seconds(), clock.OffsetMS, clock.ErrorMS)
	k.updateMachine(r.Name(), func(s *qemu.MachineStatus) { s.State, s.Clock = "running", clock })
	return nil
}

func (k *keeper) dial(ctx context.Context, name string, access cluster.Access) (*sshnode.Node, error) {
	for _, m := range k.snapshotStatus().Machines {
		if m.Name != name {
			continue
		}
		cfg, err := qemu.SSHConfig(access, m)
		if err != nil {
			return nil, err
		}
		return sshnode.Dial(ctx, cfg)
	}
	return nil, fmt.Errorf("no machine %q", name)
}

func (k *keeper) awaitAPI(ctx context.Context, access cluster.Access, since time.Time, saved map[string]string, clocks *sync.WaitGroup) error {
	server := lab.Machine{}
	var workers []string
	for _, m := range k.spec.Machines() {
		if m.Role == lab.Server {
			server = m
		} else {
			workers = append(workers, m.Name)
		}
	}
	api, err := k.api(access)
	if err != nil {
		return err
	}
	if err := api.Ready(ctx); err != nil {
		return k.machineError(server.Name, "its API server does not become ready", err)
	}
	k.steps.logf("API server ready after %.1f s", time.Since(since).Seconds())
	if saved != nil {
		if err := pollLeases(ctx, api, "the nodes' leases to be renewed", func(now map[string]string) bool {
			return renewed(workers, saved, now)
		}); err != nil {
			return &lab.InfraError{What: "the kubelets are not heard of", Err: err, Advice: "nfsim lab logs worker1"}
		}
		since = time.Time{} // what is there now, is new
	} else {
		clocks.Wait() // a lease is renewed by its node's clock
	}
	if err := api.AwaitNodesReady(ctx, workers, since); err != nil {
		return &lab.InfraError{What: "the nodes do not become Ready", Err: err, Advice: "nfsim lab logs worker1"}
	}
	return nil
}
