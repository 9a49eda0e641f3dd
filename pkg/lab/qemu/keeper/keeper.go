package keeper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/lock"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
	"github.com/nfsim/nfsim/pkg/lab/qemu/machine"
	"github.com/nfsim/nfsim/pkg/lab/qemu/network"
)

// Options are what a keeper gets from the process that starts it.
type Options struct {
	Name string
	// Stdin gives the Spec as one line of JSON and then nothing; its end ends
	// an unreleased lab.
	Stdin io.Reader
	// Events takes qemu.Event lines until the lab is ready or has failed.
	Events io.WriteCloser
	// Log takes the keeper's log.
	Log io.Writer
}

// The reasons for a keeper to stop.
var (
	errDown     = errors.New("told to go down")
	errUntether = errors.New("the process that started the lab has ended")
)

// keeper is the state of a running keeper.
type keeper struct {
	dir    qemu.Dir
	spec   qemu.Spec
	steps  *steps
	qemu   host.QEMU
	accel  host.Accel
	cancel context.CancelCauseFunc

	ctx     context.Context // ends when the keeper is to stop
	ready   *ready
	release []func() error // cache entries that the machines use

	op chan struct{} // holds one token: one order at a time (start, restore, reset, link)

	mu       sync.Mutex       // guards what follows
	net      *network.Network // set once
	status   qemu.Status
	machines map[string]*running
	released bool
}

// running is a machine that has a QEMU process.
type running struct {
	*machine.Machine
	// stop ends what runs in the background for this machine, and says that
	// its end is wanted.
	stop context.CancelFunc
	ctx  context.Context
}

// Run keeps a lab until ctx ends or it is told to stop; then everything it
// started has ended. The error is nil after an orderly end, however it came.
func Run(ctx context.Context, opts Options) error {
	dir, err := qemu.DirOf(opts.Name)
	if err != nil {
		return err
	}
	if err := dir.Make(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k := &keeper{
		dir:      dir,
		ctx:      ctx,
		cancel:   cancel,
		op:       make(chan struct{}, 1),
		steps:    &steps{log: opts.Log, events: opts.Events},
		machines: map[string]*running{},
	}
	k.steps.changed = k.setStep
	// gvisor-tap-vsock reports the end of every link, wanted or not, as an
	// error on its package's global logger.
	logrus.SetOutput(io.Discard)
	err = k.run(ctx, opts)
	k.steps.finish(err)
	return err
}

func (k *keeper) run(ctx context.Context, opts Options) error {
	mine, err := lock.Take(k.dir.Lock(), "nfsim lab keeper --name "+opts.Name)
	var held *lock.HeldError
	if errors.As(err, &held) {
		return &lab.BusyError{Name: opts.Name, PID: held.PID, Who: held.Who}
	}
	if err != nil {
		return err
	}
	defer func() { _ = mine.Release() }()
	if err := k.readSpec(opts); err != nil {
		return err
	}
	if err := k.dir.CleanLocked(); err != nil {
		return err
	}
	k.setPhase(qemu.Starting)
	serving, err := k.serve()
	if err != nil {
		return err
	}
	defer serving()

	err = k.start(ctx)
	if err == nil {
		k.setPhase(qemu.Ready)
		k.steps.ready()
		<-ctx.Done()
		k.steps.logf("going down: %v", context.Cause(ctx))
	}
	if ctx.Err() != nil {
		if err != nil {
			k.steps.interrupted(context.Cause(ctx))
		}
		err = nil
	}
	k.setPhase(qemu.Stopping)
	return k.teardown(err)
}

// readSpec reads the first line of standard input; the rest of it is the tether.
func (k *keeper) readSpec(opts Options) error {
	in := bufio.NewReader(opts.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read spec from standard input: %w", err)
	}
	if err := json.Unmarshal(line, &k.spec); err != nil {
		return fmt.Errorf("read spec from standard input: %w", err)
	}
	k.spec = k.spec.WithDefaults()
	if k.spec.Name != opts.Name {
		return fmt.Errorf("read spec from standard input: it is for lab %q", k.spec.Name)
	}
	if err := k.spec.Validate(); err != nil {
		return err
	}
	k.status = qemu.Status{
		Name: k.spec.Name, Phase: qemu.Starting, KeeperPID: os.Getpid(), Tethered: true,
		Started: time.Now().UTC(), Spec: k.spec,
	}
	for _, m := range k.spec.Machines() {
		if err := os.MkdirAll(k.dir.Machine(m.Name), 0o700); err != nil {
			return fmt.Errorf("make machine directory: %w", err)
		}
		k.status.Machines = append(k.status.Machines, qemu.MachineStatus{
			Machine: m, MemMiB: k.spec.MemMiB(m.Role), State: "off", Console: k.dir.Console(m.Name),
		})
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		k.mu.Lock()
		released := k.released
		k.mu.Unlock()
		if !released {
			k.cancel(errUntether)
		}
	}()
	return nil
}

// start brings the lab to ready.
func (k *keeper) start(ctx context.Context) error {
	k.op <- struct{}{}
	defer func() { <-k.op }()
	if err := k.checkHost(ctx); err != nil {
		return err
	}
	p, err := k.makeProducts(ctx)
	if err != nil {
		return err
	}
	if err := k.makeNetwork(); err != nil {
		return err
	}
	if k.ready, err = k.makeReady(ctx, p); err != nil {
		return err
	}
	if err := k.writeAccess(k.ready.access); err != nil {
		return err
	}
	return k.restore(ctx)
}

func (k *keeper) checkHost(ctx context.Context) error {
	var err error
	if k.qemu, err = host.FindQEMU(ctx); err != nil {
		return err
	}
	var why string
	k.accel, why = host.ChooseAccel(k.spec.Accel)
	k.update(func(s *qemu.Status) { s.Accel, s.AccelWhy, s.QEMU = k.accel, why, k.qemu.Version })
	k.steps.logf("QEMU %s, accelerator %s: %s", k.qemu.Version, k.accel, why)
	if err := host.CheckMemory(k.memNeedMiB()); err != nil {
		return err
	}
	return host.CheckDisk(string(k.dir), overlayMiB)
}

const (
	// overheadMiB is what a QEMU process takes beside its guest's memory; under
	// TCG mostly translated code.
	overheadMiB = 256
	// overlayMiB is about what a run writes to the machines' disks.
	overlayMiB = 1024
)

func (k *keeper) memNeedMiB() int {
	need := 0
	for _, m := range k.spec.Machines() {
		need += k.spec.MemMiB(m.Role) + overheadMiB
	}
	return need
}

func (k *keeper) makeNetwork() error {
	net, err := network.New(network.Config{Gateway: qemu.Gateway()})
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.net = net
	k.mu.Unlock()
	return k.forward()
}

// teardown ends everything and writes down how the lab ended.
func (k *keeper) teardown(failure error) error {
	k.op <- struct{}{}
	defer func() { <-k.op }()
	k.killAll()
	if k.net != nil {
		_ = k.net.Close()
	}
	errs := []error{k.dir.CleanLocked()}
	for _, r := range k.release {
		errs = append(errs, r())
	}
	k.update(func(s *qemu.Status) {
		s.Phase, s.KeeperPID, s.APIServer = qemu.Down, 0, ""
		if failure != nil {
			s.Phase, s.Error = qemu.Failed, qemu.FailureOf(failure)
		}
		for i := range s.Machines {
			m := &s.Machines[i]
			m.State, m.PID, m.SSH, m.Link = "off", 0, "", nil
		}
	})
	if failure != nil {
		return failure
	}
	return errors.Join(errs...)
}

// consoleTail is the end of a machine's console, for an error.
func (k *keeper) consoleTail(name string) string {
	return qemu.TailLines(k.dir.Console(name), 20)
}

// machineError says which machine failed and shows its console. An error that
// does so already is left as it is.
func (k *keeper) machineError(name, what string, err error) error {
	var infra *lab.InfraError
	if errors.As(err, &infra) && infra.Machine != "" && infra.ConsoleTail == "" {
		with := *infra
		with.ConsoleTail = k.consoleTail(infra.Machine)
		return &with
	}
	return &lab.InfraError{Machine: name, What: what, Err: err, ConsoleTail: k.consoleTail(name)}
}

// entryPath is a file of a machine in a ready snapshot.
func entryPath(dir, machine, file string) string { return filepath.Join(dir, machine, file) }
