// Package remote is a lab of machines that run already and that nfsim reaches
// over SSH alone: what the providers vagrant and inventory have in common.
//
//	l, err := remote.New(remote.Config{Provider: "inventory", Name: "rack4", StateDir: dir, Machines: machines, Kubeconfig: read})
//	err = l.(lab.Readiness).AwaitReady(ctx, log.Printf)
package remote

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// useLock is the lock file in the state directory of the one process that uses
// the lab.
const useLock = "use.lock"

// Machine is one machine and the way to it.
type Machine struct {
	lab.Machine
	SSH sshnode.Config // for root, or with Sudo for somebody who may become root
}

// Config says what lab it is.
type Config struct {
	Provider string // "vagrant" or "inventory"
	Name     string
	StateDir string // made when it is missing, mode 0700
	Machines []Machine
	// Kubeconfig returns an administrator's kubeconfig that works from here.
	Kubeconfig func(ctx context.Context, l lab.Lab) ([]byte, error)
	// Verify looks, as a part of AwaitReady, at what only the provider knows; may
	// be nil.
	Verify func(ctx context.Context, l lab.Lab) error
	// Reset cuts a machine's power and gives it back at once; nil when there is
	// no power switch.
	Reset func(ctx context.Context, machine string) error
}

// machines is the lab without a power switch.
type machines struct {
	config      Config
	connections lab.Connections
}

// powered is the lab with one.
type powered struct{ *machines }

// New makes the lab; nothing is connected to yet. The lab has lab.Power when
// the config has Reset.
func New(c Config) (lab.Lab, error) {
	servers, workers := 0, 0
	for _, m := range c.Machines {
		switch m.Role {
		case lab.Server:
			servers++
		case lab.Worker:
			workers++
		}
	}
	if servers != 1 || workers < 2 {
		return nil, &lab.UsageError{
			What:   fmt.Sprintf("lab %s has %d machines of role server and %d of role worker", c.Name, servers, workers),
			Advice: "exactly one server and at least two workers are needed",
		}
	}
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	l := &machines{config: c}
	if c.Reset != nil {
		return powered{l}, nil
	}
	return l, nil
}

// Name is the lab's name.
func (l *machines) Name() string { return l.config.Name }

// Provider is the config's.
func (l *machines) Provider() string { return l.config.Provider }

// StateDir is the config's.
func (l *machines) StateDir() string { return l.config.StateDir }

// Machines lists the server first, then the workers in the config's order.
func (l *machines) Machines() []lab.Machine {
	out := make([]lab.Machine, 0, len(l.config.Machines))
	for _, role := range []lab.Role{lab.Server, lab.Worker} {
		for _, m := range l.config.Machines {
			if m.Role == role {
				out = append(out, m.Machine)
			}
		}
	}
	return out
}

// Node returns the connection to a machine; see lab.Lab.
func (l *machines) Node(ctx context.Context, machine string) (*sshnode.Node, error) {
	m, err := l.machine(machine)
	if err != nil {
		return nil, err
	}
	return l.connections.Node(ctx, machine, func() (sshnode.Config, error) { return m.SSH, nil })
}

func (l *machines) machine(name string) (Machine, error) {
	known := make([]string, 0, len(l.config.Machines))
	for _, m := range l.config.Machines {
		if m.Name == name {
			return m, nil
		}
		known = append(known, m.Name)
	}
	return Machine{}, &lab.UsageError{What: fmt.Sprintf("lab %s has no machine %q", l.Name(), name), Advice: "it has " + strings.Join(known, ", ")}
}

// Kubeconfig is the config's.
func (l *machines) Kubeconfig(ctx context.Context) ([]byte, error) {
	return l.config.Kubeconfig(ctx, l)
}

// Acquire makes the caller the one user of the lab on this host; see lab.Lab.
func (l *machines) Acquire(_ context.Context, who string) (release func(), err error) {
	return lab.Acquire(filepath.Join(l.StateDir(), useLock), l.Name(), who)
}

// Close closes the connections.
func (l *machines) Close() error {
	l.connections.Close()
	return nil
}

// Reset cuts a machine's power and gives it back at once. The connection to
// the machine is closed.
func (l powered) Reset(ctx context.Context, machine string) error {
	if _, err := l.machine(machine); err != nil {
		return err
	}
	if err := l.config.Reset(ctx, machine); err != nil {
		return fmt.Errorf("reset %s: %w", machine, err)
	}
	l.connections.Drop(machine)
	return nil
}
