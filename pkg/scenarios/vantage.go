package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// pings is how many four-timestamp pings make one clock sample.
const pings = 16

// vantage is the agent on one machine and what is known of its clock. The
// monotonic clock belongs to the kernel, so the agents in that machine's pods
// share it.
type vantage struct {
	machine string
	client  *agent.Client

	mu      sync.Mutex
	samples []agent.ClockSample
}

// sample takes one clock sample.
func (v *vantage) sample(ctx context.Context) error {
	defer waiting(ctx)()
	s, err := v.client.Ping(ctx, pings)
	if err != nil {
		return fmt.Errorf("measure the clock of %s: %w", v.machine, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.samples = append(v.samples, s)
	return nil
}

func (v *vantage) clock() (agent.ClockMap, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, err := agent.NewClockMap(v.samples...)
	if err != nil {
		return m, fmt.Errorf("map the clock of %s: %w", v.machine, err)
	}
	return m, nil
}

// Fleet is the agents of a run, one on each machine, started when they are
// first wanted and shared by all batches. It is safe for concurrent use.
type Fleet struct {
	lab lab.Lab

	mu       sync.Mutex
	vantages map[string]*slot
}

// slot holds the agent of one machine; its lock lets machines start side by
// side.
type slot struct {
	mu sync.Mutex
	v  *vantage
}

// NewFleet makes a fleet on a lab; nothing is started yet.
func NewFleet(l lab.Lab) *Fleet { return &Fleet{lab: l, vantages: map[string]*slot{}} }

// at returns the agent on a machine, a new one when there was none or its
// session broke.
func (f *Fleet) at(ctx context.Context, machine string) (*vantage, error) {
	defer waiting(ctx)()
	f.mu.Lock()
	s := f.vantages[machine]
	if s == nil {
		s = &slot{}
		f.vantages[machine] = s
	}
	f.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v != nil && s.v.client.Err() == nil {
		return s.v, nil
	}
	node, err := f.lab.Node(ctx, machine)
	if err != nil {
		return nil, err
	}
	client, err := agent.Dial(ctx, node, agent.Options{})
	if err != nil {
		return nil, fmt.Errorf("start agent on %s: %w", machine, err)
	}
	s.v = &vantage{machine: machine, client: client}
	return s.v, nil
}

// Close ends all agents. The fleet can be used again: it starts new ones.
func (f *Fleet) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.vantages {
		s.mu.Lock()
		if s.v != nil {
			// A session that is broken already has nothing more to say.
			_ = s.v.client.Close()
			s.v = nil
		}
		s.mu.Unlock()
	}
}

// connect takes the agents of the batch's machines and samples their clocks.
func (b *Batch) connect(ctx context.Context) error {
	machines := b.machines()
	vantages := make([]*vantage, len(machines))
	err := atOnce(len(machines), func(i int) error {
		v, err := b.Fleet.at(ctx, machines[i].Name)
		if err != nil {
			return err
		}
		vantages[i] = v
		return v.sample(ctx)
	})
	b.vantages = map[string]*vantage{}
	for _, v := range vantages {
		if v != nil {
			b.vantages[v.machine] = v
		}
	}
	return err
}

// reconnect replaces the vantage point on a machine that was reset: its agent,
// and the clock that the agent's times are on, are new. What was noted of the
// machine so far is mapped by the old clock, from the samples before the reset
// alone: the farther from the last of them, the larger its error bound. The
// streams of the old agent must have ended, and nobody may ask for a vantage
// point (on) meanwhile.
func (b *Batch) reconnect(ctx context.Context, m lab.Machine) error {
	old := b.on(m)
	// Its session broke with the machine: there is nobody to say goodbye to.
	_ = old.client.Close()
	retired := fmt.Sprintf("%s, boot %d", m.Name, len(b.vantages))
	b.vantages[retired] = old
	for _, c := range b.Cells {
		c.retire(m.Name, retired)
	}
	v, err := b.Fleet.at(ctx, m.Name)
	if err != nil {
		return fmt.Errorf("reconnect: %w", err)
	}
	b.vantages[m.Name] = v
	return v.sample(ctx)
}

// retire renames the clock of what was noted so far.
func (c *Cell) retire(machine, clock string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rename(c.pending.ops, machine, clock)
	rename(c.pending.observations, machine, clock)
}

func rename[T any](records []timed[T], from, to string) {
	for i := range records {
		if records[i].machine == from {
			records[i].machine = to
		}
	}
}

// sampleClocks samples every clock once more, at the end of a trial.
func (b *Batch) sampleClocks(ctx context.Context) error {
	machines := b.machines()
	return atOnce(len(machines), func(i int) error { return b.on(machines[i]).sample(ctx) })
}

// atOnce runs f for 0 to n-1 side by side and joins the errors.
func atOnce(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// on returns the vantage point on a machine of the batch.
func (b *Batch) on(m lab.Machine) *vantage { return b.vantages[m.Name] }

// do sends one request on the agent of a machine. A transport error is an
// error; a system call's failure is in the answer.
func (v *vantage) do(ctx context.Context, req proto.Request) (agent.Timed, error) {
	defer waiting(ctx)()
	t, err := v.client.DoTimed(ctx, req)
	if err == nil {
		noteCall(ctx, v.machine, req, t)
	}
	return t, err
}

// must is do for set-up steps: a system call that fails is an error too.
func (v *vantage) must(ctx context.Context, req proto.Request) (agent.Timed, error) {
	t, err := v.do(ctx, req)
	if err == nil && !t.OK() {
		err = fmt.Errorf("%s %s on %s: %s", req.Op, req.Path, v.machine, orHung(t.Errno))
	}
	return t, err
}

// pending holds what a cell saw until the clocks can be mapped, at the end of
// its trial. Times in it are those of the machine's clock.
type pending struct {
	ops          []timed[history.Op]
	observations []timed[rundir.Observation]
}

// timed is a record with the machine whose clock its times are on, and which of
// its boots if it was reset since; "" is the controller's own.
type timed[T any] struct {
	machine string
	record  T
}

// op notes an operation; Invoke and Return are on the machine's clock.
func (c *Cell) op(machine string, op history.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending.ops = append(c.pending.ops, timed[history.Op]{machine, op})
}

// observe notes an observation; T is on the machine's clock.
func (c *Cell) observe(machine string, o rundir.Observation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending.observations = append(c.pending.observations, timed[rundir.Observation]{machine, o})
}

// now notes that the controller saw something at this moment.
func (c *Cell) now(source, event, subject, detail string) {
	c.observe("", rundir.Observation{T: agent.Mono(), Source: source, Event: event, Subject: subject, Detail: detail})
}

// flush maps every pending time to the controller's clock and writes the
// records.
func (b *Batch) flush(c *Cell) error {
	clocks := map[string]agent.ClockMap{}
	for name, v := range b.vantages {
		m, err := v.clock()
		if err != nil {
			return err
		}
		clocks[name] = m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var worst int64
	to := func(machine string, t int64) (int64, int64) {
		if machine == "" || t == 0 {
			return t, 0
		}
		at, err := clocks[machine].ToController(t)
		worst = max(worst, err)
		return at, err
	}
	for _, p := range c.pending.ops {
		op := p.record
		var e1, e2 int64
		op.Invoke, e1 = to(p.machine, op.Invoke)
		op.Return, e2 = to(p.machine, op.Return)
		op.ErrNS = max(op.ErrNS, e1, e2)
		if err := c.Trial.History().Add(op); err != nil {
			return err
		}
	}
	for _, p := range c.pending.observations {
		o := p.record
		o.T, _ = to(p.machine, o.T)
		if err := c.Trial.Observe(o); err != nil {
			return err
		}
	}
	c.pending = pending{}
	c.Trial.Update(func(m *rundir.TrialMeta) { m.ClockErrNS = max(m.ClockErrNS, worst) })
	return nil
}
