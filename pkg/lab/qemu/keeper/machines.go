package keeper

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/machine"
)

// machineConfig is a machine without the paths of its own files.
func (k *keeper) machineConfig(m lab.Machine, img imageFiles) machine.Config {
	return machine.Config{
		Name:   m.Name,
		QEMU:   k.qemu.System,
		Arch:   k.qemu.Arch,
		Accel:  k.accel,
		CPUs:   k.spec.CPUs,
		RAM:    machine.RAM{MiB: k.spec.MemMiB(m.Role)},
		Kernel: img.kernel,
		Initrd: img.initrd,
		Append: machine.CommandLine(img.args, machine.Identity{
			Name: m.Name, Role: string(m.Role), Addr: netip.MustParseAddr(m.Addr),
			Gateway: qemu.Gateway(), ID: qemu.MachineID(m),
		}),
		MAC:     qemu.MAC(m),
		Console: k.dir.Console(m.Name),
	}
}

// startMachine plugs a machine in and starts its QEMU.
func (k *keeper) startMachine(ctx context.Context, cfg machine.Config) error {
	cable, err := k.net.Attach(cfg.Name)
	if err != nil {
		return err
	}
	m, err := machine.Start(ctx, cfg, cable)
	if err != nil {
		return k.machineError(cfg.Name, "cannot start", err)
	}
	r := &running{Machine: m}
	r.ctx, r.stop = context.WithCancel(context.Background())
	k.mu.Lock()
	k.machines[cfg.Name] = r
	k.mu.Unlock()
	k.updateMachine(cfg.Name, func(s *qemu.MachineStatus) { s.State, s.PID, s.Clock = "booting", m.PID(), nil })
	go k.watch(r)
	return nil
}

// watch notices a QEMU process that ends on its own.
func (k *keeper) watch(r *running) {
	<-r.Done()
	wanted := r.ctx.Err() != nil
	r.stop()
	state := "off"
	if !wanted {
		state = "gone: " + r.Err().Error()
		k.steps.write(fmt.Sprintf("machine %s is gone: %v", r.Name(), r.Err()))
	}
	k.mu.Lock()
	current := k.machines[r.Name()] == r
	if current {
		delete(k.machines, r.Name())
	}
	k.mu.Unlock()
	if current {
		k.updateMachine(r.Name(), func(s *qemu.MachineStatus) { s.State, s.PID = state, 0 })
	}
}

func (k *keeper) machine(name string) (*running, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.machines[name]; r != nil {
		return r, nil
	}
	for _, m := range k.status.Machines {
		if m.Name == name {
			return nil, &lab.InfraError{Machine: name, What: "is " + m.State, Advice: "restore the lab"}
		}
	}
	return nil, &lab.UsageError{What: fmt.Sprintf("lab %s has no machine %q", k.spec.Name, name)}
}

func (k *keeper) runningMachines() []*running {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*running
	for _, m := range k.status.Machines {
		if r := k.machines[m.Name]; r != nil {
			out = append(out, r)
		}
	}
	return out
}

// killAll ends all QEMU processes at once and waits until they are gone.
func (k *keeper) killAll() {
	machines := k.runningMachines()
	for _, r := range machines {
		r.stop()
	}
	for _, r := range machines {
		r.Kill()
		k.mu.Lock()
		if k.machines[r.Name()] == r {
			delete(k.machines, r.Name())
		}
		k.mu.Unlock()
		k.updateMachine(r.Name(), func(s *qemu.MachineStatus) { s.State, s.PID = "off", 0 })
		if k.net != nil {
			k.net.DropConns(r.Name())
		}
	}
}

// makeOverlay makes a disk that reads from another and keeps what is written.
func (k *keeper) makeOverlay(ctx context.Context, backing, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.qemu.Img, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return &lab.InfraError{What: fmt.Sprintf("cannot make disk %s: %s", path, out), Err: err}
	}
	return nil
}
