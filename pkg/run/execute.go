package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/imported"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// attempts is how often a batch that the infrastructure spoilt is executed
// in all. Spoilt executions stay in the run directory; an execution that came
// to its end is never repeated, whatever it found.
const attempts = 2

// Options are what Execute may be told.
type Options struct {
	RunsDir string   // where the run directory goes
	Version string   // of this nfsim
	Command []string // the command line
	// Disposable says that the lab ends with the run, so that what the run made
	// need not be removed from it one by one.
	Disposable bool
	Progress   Progress
	// Pause has trials stand still for a person to look; nil: none does.
	Pause *scenarios.Pauser
	// ShareImage makes the image of the share server, or takes it from a cache; nil:
	// family share-server cannot run.
	ShareImage func(ctx context.Context) (ContainerImage, error)
}

// Progress is told how a run goes. Its methods may be called from many
// goroutines.
type Progress interface {
	// Say prints a line about the run as a whole.
	Say(format string, args ...any)
	// Start, Phase and Done follow one batch.
	Start(b Batch, target string)
	Phase(b Batch, what string)
	Done(b Batch, took time.Duration, err error)
}

// Execute drives the lab through the plan and records everything in a new run
// directory. It returns the run also when ctx was cancelled: what was recorded
// until then is kept and can be judged. Open faults are healed in any case.
func Execute(ctx context.Context, l lab.Lab, plan Plan, opts Options) (recorded *rundir.Run, err error) {
	workers := lab.Workers(l)
	if len(workers) < 2 {
		return nil, &lab.UsageError{What: fmt.Sprintf("lab %s has %d workers", l.Name(), len(workers)), Advice: "at least 2 are needed"}
	}
	e := &executor{
		lab: l, plan: plan, still: standstillOf(plan, l), progress: opts.Progress, fleet: scenarios.NewFleet(l), pause: opts.Pause, makeShareImage: opts.ShareImage,
	}
	defer e.fleet.Close()
	journal, err := fault.OpenJournal(l.StateDir(), l.Name())
	if err != nil {
		return nil, err
	}
	e.injector = fault.NewInjector(journal, FaultReach(l), opts.Progress.Say)
	if err := e.healLeftovers(ctx, journal); err != nil {
		return nil, err
	}
	mark := dirtyMarkOf(l.StateDir())
	if err := e.restoreAfterKill(ctx, mark); err != nil {
		return nil, err
	}
	if err := e.applyRunSetting(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.healRunSetting(ctx)) }()
	if r, ok := l.(lab.Readiness); ok {
		if err := r.AwaitReady(ctx, opts.Progress.Say); err != nil {
			return nil, err
		}
	}
	print, settings, err := fingerprint(ctx, l)
	if err != nil {
		return nil, err
	}
	e.settings = settings
	e.run, err = rundir.Create(opts.RunsDir, rundir.RunMeta{
		NfsimVersion: opts.Version, Command: opts.Command, Seed: plan.Seed,
		Lab:    rundir.LabMeta{Provider: l.Provider(), Name: l.Name()},
		LeaseS: settings.lease, GraceS: settings.grace, Full: plan.Full, Batches: plan.record(),
		ClusterFrozen: e.still.units != nil,
	})
	if err != nil {
		return nil, err
	}
	if err := mark.set(e.run.Meta().ID); err != nil {
		return e.run, err
	}
	log, err := e.run.Log()
	if err != nil {
		return e.run, err
	}
	defer log.Close()
	e.log = log
	if err := e.run.WriteFingerprint(print); err != nil {
		return e.run, err
	}
	defer func() { err = errors.Join(err, e.thawCluster(ctx)) }()
	if err := errors.Join(e.export(ctx), e.freezeCluster(ctx)); err != nil {
		return e.run, errors.Join(err, e.run.Finish())
	}
	err = e.all(ctx, workers)
	if !opts.Disposable {
		err = errors.Join(err, e.cleanUp(ctx), e.awaitThawed(ctx))
	}
	if !e.spoilt {
		err = errors.Join(err, mark.clear())
	}
	return e.run, errors.Join(err, e.run.Finish())
}

// executor is one run in progress.
type executor struct {
	lab      lab.Lab
	plan     Plan
	run      *rundir.Run
	injector *fault.Injector
	fleet    *scenarios.Fleet
	progress Progress
	pause    *scenarios.Pauser
	log      io.Writer
	logMu    sync.Mutex

	usedCluster atomic.Bool // a batch talked to the API server
	spoilt      bool        // a batch failed and the lab was not restored since
	settings    settings
	runSetting  *fault.Active // of the server, for the whole run; nil: none
	still       standstill

	makeShareImage func(ctx context.Context) (ContainerImage, error)
	shareMu        sync.Mutex
	share          *imported.Image // nil: not asked for yet
}

// randOf is a batch's own source of randomness: the same for the same seed,
// whatever else the plan holds.
func randOf(seed int64, batch string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, batch) // a hash does not fail
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

// healLeftovers puts right what an earlier nfsim that was killed left broken.
func (e *executor) healLeftovers(ctx context.Context, j *fault.Journal) error {
	healed, err := fault.HealAll(ctx, j, FaultReach(e.lab), e.progress.Say)
	if err != nil {
		return &lab.InfraError{What: "put right what an earlier run left broken", Err: err, Advice: "try `nfsim heal`, or `nfsim lab down` and start afresh"}
	}
	for _, h := range healed {
		e.progress.Say("healed %s on %s, left open by an earlier run", h.Name, h.Machine)
	}
	return nil
}

// outcomeOf is how one batch ended.
type ended struct {
	batch   Batch
	target  string
	attempt int
	took    time.Duration
	wedged  bool  // a machine was left unlike the ready lab: a result, no error
	err     error // the infrastructure's
}

// all runs every batch, side by side where their claims allow it.
func (e *executor) all(ctx context.Context, workers []lab.Machine) error {
	sched := scheduler{}
	for _, w := range workers {
		sched.free = append(sched.free, w.Name)
	}
	waiting, err := e.leaveOut()
	if err != nil {
		return err
	}
	attempt := map[string]int{}
	done := make(chan ended)
	var failed error
	for len(waiting) > 0 || sched.running > 0 {
		if e.spoilt && sched.running == 0 && ctx.Err() == nil {
			if err := e.restore(ctx); err != nil {
				return errors.Join(failed, err)
			}
		}
		if i, target, ok := sched.next(waiting); ok && !e.spoilt && ctx.Err() == nil {
			b := waiting[i]
			waiting = slices.Delete(waiting, i, i+1)
			attempt[b.ID]++
			sched.start(b, target)
			go func() { done <- e.batch(ctx, b, target, workers, attempt[b.ID]) }()
			continue
		}
		if sched.running == 0 {
			break // cancelled, with batches left
		}
		end := <-done
		sched.done(end.batch, end.target)
		e.progress.Done(end.batch, end.took, end.err)
		e.note("batch %s: %s, %v", end.batch.ID, end.took.Round(time.Millisecond), end.err)
		e.spoilt = e.spoilt || end.batch.Scenario.Dirties || end.wedged
		if end.err == nil {
			continue
		}
		e.spoilt = true
		if ctx.Err() != nil {
			continue
		}
		if end.attempt < attempts {
			e.progress.Say("%s was spoilt by the infrastructure and is done once more: %v", end.batch.ID, end.err)
			waiting = append(waiting, end.batch)
		} else {
			failed = errors.Join(failed, fmt.Errorf("batch %s: %w", end.batch.ID, end.err))
		}
	}
	return errors.Join(failed, context.Cause(ctx))
}

// restoreAfterKill puts the lab back to its ready state when an earlier run
// was killed on it; a lab that has none is tidied up.
func (e *executor) restoreAfterKill(ctx context.Context, mark dirtyMark) error {
	id, err := mark.left()
	if err != nil || id == "" {
		return err
	}
	e.progress.Say("run %s did not put this lab back", id)
	if err := e.restore(ctx); err != nil {
		return err
	}
	if _, restored := e.lab.(lab.Snapshots); !restored {
		if err := e.tidy(ctx, id); err != nil {
			return &lab.InfraError{What: "put right what an earlier run left behind", Err: err}
		}
	}
	return mark.clear()
}

// restore puts the lab back to its ready state, where it has one.
func (e *executor) restore(ctx context.Context) error {
	e.spoilt = false
	snapshots, ok := e.lab.(lab.Snapshots)
	if !ok {
		e.progress.Say("lab %s has no ready state to go back to; going on as it is", e.lab.Name())
		e.fleet.Close()
		if r, ok := e.lab.(lab.Readiness); ok {
			return r.AwaitReady(ctx, e.progress.Say)
		}
		return nil
	}
	e.progress.Say("restore the lab from its ready snapshot")
	e.fleet.Close()
	if err := snapshots.Restore(ctx); err != nil {
		return fmt.Errorf("restore lab: %w", err)
	}
	if err := errors.Join(e.thawCluster(ctx), e.healRunSetting(ctx), e.applyRunSetting(ctx)); err != nil {
		return err
	}
	if e.run == nil {
		return nil
	}
	return errors.Join(e.export(ctx), e.freezeCluster(ctx))
}

// note writes a line to the run's log.
func (e *executor) note(format string, args ...any) {
	e.logMu.Lock()
	defer e.logMu.Unlock()
	fmt.Fprintf(e.log, time.Now().UTC().Format("2006-01-02T15:04:05.000Z ")+format+"\n", args...)
}

// batch executes one batch to its end. A panic of a scenario spoils that
// batch only.
func (e *executor) batch(ctx context.Context, p Batch, target string, workers []lab.Machine, attempt int) (end ended) {
	end = ended{batch: p, target: target, attempt: attempt}
	began := time.Now()
	e.progress.Start(p, target)
	server, err := e.serve(ctx, p)
	if err != nil {
		end.err = err
		return end
	}
	defer func() { end.err = errors.Join(end.err, server.heal(ctx)) }()
	b, err := e.prepare(p, target, workers, server)
	if err != nil {
		end.err = err
		return end
	}
	func() {
		defer func() {
			if r := recover(); r != nil {
				end.err = fmt.Errorf("scenario %s panicked: %v", p.Scenario.ID(), r)
			}
		}()
		end.err = p.Scenario.Drive(ctx, b)
	}()
	end.took, end.wedged = time.Since(began), b.Wedged()
	var notProven *fault.NotProvenError
	if errors.As(end.err, &notProven) {
		// A fault that did not happen is a result, not a broken lab.
		end.err = nil
	}
	for _, c := range b.Cells {
		cause := c.Err()
		if cause == nil {
			cause = end.err
		}
		if errors.As(cause, &notProven) {
			cause = nil
		}
		c.Trial.Update(func(m *rundir.TrialMeta) { m.EndedNS = agent.Mono() })
		if err := c.Trial.Finish(cause); err != nil {
			end.err = errors.Join(end.err, err)
		}
	}
	return end
}

// prepare makes the scenario's view of a batch, with a trial for each cell.
func (e *executor) prepare(p Batch, target string, workers []lab.Machine, server served) (*scenarios.Batch, error) {
	b := &scenarios.Batch{
		ID: p.ID, RunID: e.run.Meta().ID, Lab: e.lab, Injector: e.injector, Fleet: e.fleet,
		Full: e.plan.Full, Lease: server.lease, Grace: server.grace,
		Rand: randOf(e.plan.Seed, p.ID),
		Kube: e.kubeForPods, ShareImage: e.shareImage,
		Pause: e.pause,
		Phase: func(what string) { e.note("batch %s: %s", p.ID, what); e.progress.Phase(p, what) },
	}
	b.Target, b.Other = workers[0], workers[1]
	b.Breaks = p.Scenario.Target
	for _, w := range workers {
		if w.Name == target {
			b.Target = w
		}
	}
	if b.Target == b.Other {
		b.Other = workers[0]
	}
	for i, profile := range p.Profiles {
		export := e.exportOf(p, i)
		meta := e.trialMeta(p, profile)
		meta.Export, meta.Server = export.Options, server.shown
		meta.Resources = []string{b.Target.Name, b.Other.Name, "export " + export.Path}
		trial, err := e.run.NewTrial(meta)
		if err != nil {
			return nil, err
		}
		b.Cells = append(b.Cells, &scenarios.Cell{Profile: profile, Trial: trial, Key: cellKey(p, i), Export: export, Shapes: e.plan.shaped(profile)})
	}
	return b, nil
}

// trialMeta is what is known of a trial before it begins.
func (e *executor) trialMeta(p Batch, profile nfs.Profile) rundir.TrialMeta {
	return rundir.TrialMeta{
		Scenario: p.Scenario.Recorded(), Profile: profile.Name, Repeat: p.Repeat, Batch: p.ID,
		Started: time.Now(), StartedNS: agent.Mono(), Asked: profile.Options,
		Repro: []string{e.plan.repro(p.Scenario, profile)},
	}
}

// kube connects to the lab's API server, for the batches of the run.
func (e *executor) kube(ctx context.Context) (*kube.Client, error) {
	if len(e.still.active) > 0 {
		return nil, errors.New("connect to the API server: it stands still, because the plan has only families that need no cluster")
	}
	e.usedCluster.Store(true)
	client, err := e.apiServer(ctx)
	if err != nil {
		return nil, err
	}
	return client.WithRun(e.run.Meta().ID), nil
}

// apiServer is a client of the lab's API server that is no run's.
func (e *executor) apiServer(ctx context.Context) (*kube.Client, error) {
	return apiServerOf(ctx, e.lab)
}

// kubeForPods is kube, once the workers have what the pods are made of.
func (e *executor) kubeForPods(ctx context.Context) (*kube.Client, error) {
	if w, ok := e.lab.(lab.Workload); ok {
		if err := w.EnsureWorkload(ctx); err != nil {
			return nil, err
		}
	}
	return e.kube(ctx)
}

// record is the plan as the run directory keeps it: in the order of the
// matrix, not of execution.
func (p Plan) record() []rundir.Batch {
	order := map[string]int{}
	for i, s := range scenarios.All() {
		order[s.Name] = i
	}
	batches := slices.Clone(p.Batches)
	slices.SortStableFunc(batches, func(a, b Batch) int {
		return cmp.Or(order[a.Scenario.Name]-order[b.Scenario.Name], a.Repeat-b.Repeat)
	})
	out := make([]rundir.Batch, 0, len(batches))
	for _, b := range batches {
		cells := make([]rundir.Cell, 0, len(b.Profiles))
		for _, profile := range b.Profiles {
			cells = append(cells, rundir.Cell{Scenario: b.Scenario.Recorded(), Profile: profile.Name, Repeat: b.Repeat})
		}
		out = append(out, rundir.Batch{Name: b.ID, Cells: cells})
	}
	return out
}
