package run

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
)

// fullLease is the NFSv4 lease and grace time of a full run, s: the kernel's
// default (fs/nfsd/nfs4state.c, nfsd4_lease).
const fullLease = 90

// After how long the server takes a setting back by itself: well beyond a
// batch, well beyond a run.
const (
	batchSettingDeadman = 2 * time.Hour
	runSettingDeadman   = 48 * time.Hour
)

// settingWithin bounds putting a setting into effect, with a restart of the
// service under TCG.
const settingWithin = 3 * time.Minute

// setServer puts a setting of the server into effect as faults are: undo
// journalled and armed first, the effect proven, so that `nfsim heal` takes it
// back when nfsim was killed.
func (e *executor) setServer(ctx context.Context, setting nfs.ServerSetting, deadman time.Duration) (*fault.Active, error) {
	server := lab.ServerOf(e.lab).Name
	node, err := e.lab.Node(ctx, server)
	if err != nil {
		return nil, err
	}
	sw, err := setting.Switch(ctx, node)
	if err != nil {
		return nil, err
	}
	if e.pause != nil {
		deadman = runSettingDeadman
	}
	active, err := e.injector.Inject(ctx, fault.Spec{
		Name: "server-setting", Machine: server, Deadman: deadman, ProveWithin: settingWithin, HealWithin: settingWithin,
		Inject: sw.Inject, Undo: sw.Undo, Prove: sw.Prove, ProveUndone: sw.ProveUndone,
	})
	if err != nil {
		return nil, fmt.Errorf("set %s on %s: %w", setting, server, err)
	}
	return active, nil
}

// applyRunSetting gives the server the lease that a full run is measured with,
// where it has another one.
func (e *executor) applyRunSetting(ctx context.Context) error {
	if !e.plan.Full {
		return nil
	}
	node, err := e.lab.Node(ctx, lab.ServerOf(e.lab).Name)
	if err != nil {
		return err
	}
	facts, err := nfs.ReadServer(ctx, node)
	if err != nil {
		return err
	}
	if facts.Lease == fullLease*time.Second && facts.Grace == fullLease*time.Second {
		return nil
	}
	if e.lab.Provider() == "inventory" {
		return &lab.UsageError{
			What:   fmt.Sprintf("a full run is measured with a lease and grace time of %d s, and the server of lab %s has %s and %s", fullLease, e.lab.Name(), facts.Lease, facts.Grace),
			Advice: "set lease-time and grace-time in its /etc/nfs.conf, or run with --quick",
		}
	}
	e.progress.Say("set the server's lease and grace time to %d s for this run", fullLease)
	e.runSetting, err = e.setServer(ctx, nfs.ServerSetting{LeaseSeconds: fullLease}, runSettingDeadman)
	return err
}

// healRunSetting takes the setting of the run back, also after an interrupt.
func (e *executor) healRunSetting(ctx context.Context) error {
	if e.runSetting == nil {
		return nil
	}
	err := e.runSetting.Heal(ctx)
	if err == nil {
		e.runSetting = nil
	}
	return err
}

// served is the server as a batch has it.
type served struct {
	lease, grace time.Duration
	shown        string // what was set for the batch, and what the kernel showed; "" for nothing
	active       *fault.Active
}

// serve gives the server the setting that a batch's profiles want.
func (e *executor) serve(ctx context.Context, b Batch) (served, error) {
	s := served{lease: seconds(e.settings.lease), grace: seconds(e.settings.grace)}
	if b.Server.IsZero() {
		return s, nil
	}
	e.progress.Phase(b, "set the server: "+b.Server.String())
	var err error
	if s.active, err = e.setServer(ctx, b.Server, batchSettingDeadman); err != nil {
		return served{}, err
	}
	if n := b.Server.LeaseSeconds; n != 0 {
		s.lease, s.grace = seconds(float64(n)), seconds(float64(n))
	}
	s.shown = fmt.Sprintf("%s: %s", b.Server, strings.ReplaceAll(s.active.Record().Proof, "\n", ", "))
	return s, nil
}

// heal takes the batch's setting back.
func (s served) heal(ctx context.Context) error {
	if s.active == nil {
		return nil
	}
	return s.active.Heal(ctx)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
