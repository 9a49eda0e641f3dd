package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Batch is one execution of a scenario on a lab, for several profiles at
// once: the fault is done once and observed for every cell.
type Batch struct {
	ID    string // unique in the run, fit for a path and a Kubernetes name
	RunID string
	Lab   lab.Lab
	// Target is the worker that this batch alone may break, Other another
	// worker. For a scenario without Target they are the first two workers.
	Target, Other lab.Machine
	// Breaks says that Target is the batch's alone: firewall tables and undo
	// timers on it are this batch's, and nobody else's.
	Breaks   bool
	Cells    []*Cell
	Injector *fault.Injector
	Fleet    *Fleet
	// Full asks for the long axes too: quiet times up to 70 s, durations above
	// the default timers. Quick runs leave them out.
	Full bool
	// Lease and Grace are the NFSv4 lease and grace time of the server.
	Lease, Grace time.Duration
	// Rand draws everything that is random, from the run's seed; only Drive's own
	// goroutine may use it.
	Rand *rand.Rand
	// Kube connects to the API server at the first call.
	Kube func(ctx context.Context) (*kube.Client, error)
	// ShareImage brings the image of the share server to a machine and returns its
	// name.
	ShareImage func(ctx context.Context, m lab.Machine) (string, error)
	// Phase is told what the batch is doing, in a few words.
	Phase func(what string)
	// Pause stands still right before the phase that it asks for; nil: never.
	Pause *Pauser

	vantages map[string]*vantage // by machine
	waited   stopwatch
	moments  *moments     // nil: the batch has no pods
	cluster  *kube.Client // likewise
	// objects lists what exists in the API, for a batch that makes more there than
	// pods and claims.
	objects func(ctx context.Context) (rundir.Ledger, error)

	wedgedMu sync.Mutex
	wedged   map[lab.Machine]map[*Cell]error // machines that have to be reset, and why
}

// Cell is one profile in a batch: its trial is recorded in Trial.
type Cell struct {
	Profile nfs.Profile
	Trial   *rundir.TrialWriter
	// Key names the cell in paths, Kubernetes names and logs: letters, digits
	// and dashes, unique in the run.
	Key string
	// Export is the cell's own directory on the server, exported for the run's
	// whole time, with an fsid of its own, so that no client shares a superblock
	// between two cells.
	Export nfs.Export
	// Shapes says that the cell is to have the shapes of volumes too, in a scenario
	// that has them.
	Shapes bool

	mu       sync.Mutex
	err      error
	pending  pending
	steps    steps
	keys     []string  // what its entries in a ledger have in common
	devices  []string  // the same of those that name no export of the run
	workload *workload // its first pod
	// workloads are all its pods, the first one first.
	workloads  []*workload
	arrivalsMu sync.Mutex // over who follows the arrivals of which pod
	// share is what the cell mounts in place of its export; nil: nothing else.
	share *share
}

// Err is why the cell could not be finished, nil while it goes well.
func (c *Cell) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail marks the cell as spoilt by err. The first error stays.
func (c *Cell) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// own adds what marks an entry of the ledger as this cell's.
func (c *Cell) own(keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, keys...)
}

// ownDevice adds the number of a mount's device on a machine, as entries of the
// ledger begin with. The kernel gives the number of one that is gone to the next.
func (c *Cell) ownDevice(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.devices = append(c.devices, key)
}

// live lists the cells that have no error yet.
func (b *Batch) live() []*Cell {
	var out []*Cell
	for _, c := range b.Cells {
		if c.Err() == nil {
			out = append(out, c)
		}
	}
	return out
}

// errNoCells ends a batch early when every cell has failed by itself.
var errNoCells = errors.New("every cell of the batch has failed")

// each runs f for every live cell at once. An error of f spoils that cell
// alone; each fails only when no cell is left.
func (b *Batch) each(ctx context.Context, what string, f func(ctx context.Context, c *Cell) error) error {
	b.Phase(what)
	var wg sync.WaitGroup
	for _, c := range b.live() {
		wg.Go(func() {
			if err := f(withScribe(ctx, c), c); err != nil {
				c.fail(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b.live()) == 0 {
		return errNoCells
	}
	return nil
}

// node returns the connection to a machine.
func (b *Batch) node(ctx context.Context, m lab.Machine) (*sshnode.Node, error) {
	return b.Lab.Node(ctx, m.Name)
}

// server is the lab's NFS server.
func (b *Batch) server() lab.Machine { return lab.ServerOf(b.Lab) }

// machines are those that the batch touches, the server first.
func (b *Batch) machines() []lab.Machine {
	return []lab.Machine{b.server(), b.Target, b.Other}
}

// recordFault writes a fault into the cells' trials.
func recordFault(cells []*Cell, rec rundir.FaultRecord) {
	for _, c := range cells {
		if err := c.Trial.Fault(rec); err != nil {
			c.fail(err)
		}
	}
}

// inject does a fault once, for every cell of the batch; see injectFor.
func (b *Batch) inject(ctx context.Context, spec fault.Spec) (heal func(context.Context) error, err error) {
	b.Phase("fault: " + spec.Name + " on " + spec.Machine)
	return b.injectFor(ctx, b.Cells, spec)
}

// injectFor does a fault and returns the way to heal it, which may be called
// again. The fault is written to the cells' trials when it is healed, and at
// once when it could not be proven: the judges then say NO_FAULT.
func (b *Batch) injectFor(ctx context.Context, cells []*Cell, spec fault.Spec) (heal func(context.Context) error, err error) {
	ctx = withScribe(ctx, cells...)
	if err := b.pauseBefore(ctx, PauseFault, cells, fmt.Sprintf("fault %s is injected on %s", spec.Name, spec.Machine)); err != nil {
		return nil, err
	}
	spec = b.lastingBeyondPauses(spec)
	end := injecting(ctx, spec)
	stop := waiting(ctx)
	active, err := b.Injector.Inject(ctx, spec)
	stop()
	end(err)
	if err != nil {
		recordFault(cells, rundir.FaultRecord{Name: spec.Name, Machine: spec.Machine, Undo: spec.Undo, Error: err.Error()})
		return nil, err
	}
	b.moments.take(spec.Name)
	var once sync.Once
	var healed error
	return func(ctx context.Context) error {
		once.Do(func() {
			ctx := withScribe(ctx, cells...)
			// A pause that is broken off heals all the sooner.
			paused := b.pauseBefore(ctx, PauseRecovery, cells, fmt.Sprintf("fault %s is undone on %s", spec.Name, spec.Machine))
			end := healing(ctx, spec)
			stop := waiting(ctx)
			healed = errors.Join(paused, active.Heal(ctx))
			stop()
			end(healed)
			b.moments.take(spec.Name + "-healed")
			r := active.Record()
			recordFault(cells, rundir.FaultRecord{
				Name: r.Name, Machine: r.Machine, Undo: r.Undo,
				InjectedAt: r.InjectEnd, ProvenAt: r.ProvenAt, HealedAt: r.HealedAt,
				Proof: r.Proof, Proven: r.Proven, Error: r.Error,
			})
		})
		return healed
	}, nil
}
