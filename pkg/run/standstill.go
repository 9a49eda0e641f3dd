package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// thawTimeout bounds the cluster's return: API server, then nodes.
const thawTimeout = 5 * time.Minute

// standstill is a cluster that stands still for as long as a run lasts that has
// no use for it. An idle control plane and two idle kubelets take more than half
// of two processors under TCG (docs/findings.md 23), from mounts whose staleness
// is measured in milliseconds. Only a lab that says that its cluster is nfsim's
// alone (lab.OwnCluster) is treated so.
type standstill struct {
	units  []string // of the control plane, in the order of lab.OwnCluster; nil: the cluster is needed, or not ours
	active []*fault.Active
}

// standstillOf decides whether a plan can do without the lab's cluster.
func standstillOf(p Plan, l lab.Lab) standstill {
	own, ok := l.(lab.OwnCluster)
	needed := slices.ContainsFunc(p.Batches, func(b Batch) bool {
		return b.Scenario.Family == scenarios.FamilyKubelet || b.Scenario.Family == scenarios.FamilyShare
	})
	if !ok || needed {
		return standstill{}
	}
	return standstill{units: own.ClusterUnits()}
}

// freezeCluster makes the cluster stand still if the plan can do without it, as
// faults are made: undo journalled and armed first, the effect proven, so that
// `nfsim heal` undoes it when nfsim was killed.
func (e *executor) freezeCluster(ctx context.Context) error {
	if e.still.units == nil {
		return nil
	}
	e.progress.Say("no scenario of this run needs the cluster: it stands still meanwhile")
	server := lab.ServerOf(e.lab)
	// Kubelets first: what they would ask of the API server would wait for it.
	var specs []fault.Spec
	for _, m := range lab.Workers(e.lab) {
		specs = append(specs, fault.UnitsFreeze(m.Name, m.Kubelet()))
	}
	first := slices.Clone(e.still.units)
	slices.Reverse(first)
	for _, spec := range append(specs, fault.UnitsFreeze(server.Name, first...)) {
		spec.Deadman = runSettingDeadman
		active, err := e.injector.Inject(ctx, spec)
		if err != nil {
			return fmt.Errorf("let the cluster stand still: %w", err)
		}
		e.still.active = append(e.still.active, active)
	}
	return nil
}

// thawCluster undoes freezeCluster, also after an interrupt. A machine that was
// restored or reset meanwhile has nothing to undo.
func (e *executor) thawCluster(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	for i := range e.still.active { // the control plane before those that ask it
		err = errors.Join(err, e.still.active[len(e.still.active)-1-i].Heal(ctx))
	}
	e.still.active = nil
	return err
}

// awaitThawed thaws the cluster and waits until every worker is a Ready node
// again: to the node controller a kubelet that stood still was silent.
func (e *executor) awaitThawed(ctx context.Context) error {
	if len(e.still.active) == 0 {
		return nil
	}
	thawed := time.Now()
	if err := e.thawCluster(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), thawTimeout, fmt.Errorf("not within %s", thawTimeout))
	defer cancel()
	client, err := e.apiServer(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range lab.Workers(e.lab) {
		names = append(names, m.Name)
	}
	if err := client.AwaitNodesReady(ctx, names, thawed); err != nil {
		return &lab.InfraError{What: "the cluster did not come back from its standstill", Err: err, Advice: "nfsim lab down"}
	}
	return nil
}
