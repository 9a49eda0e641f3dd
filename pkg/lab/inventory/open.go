package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/remote"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Provider is the name of this kind of lab.
const Provider = "inventory"

// Open reads an inventory and makes a lab of it. Nothing is connected to yet:
// see lab.Readiness, which the lab has. It has lab.Power when every machine has
// a power command, else lab.PowerMissing, and lab.Workload. What is wrong with
// the file is a *lab.UsageError. logf is told of clean-up that failed.
func Open(_ context.Context, file string, logf func(format string, args ...any)) (lab.Lab, error) {
	inv, err := Read(file)
	if err != nil {
		return nil, err
	}
	state, err := inv.stateDir()
	if err != nil {
		return nil, err
	}
	config := remote.Config{
		Provider: Provider, Name: inv.Name, StateDir: state,
		Kubeconfig: func(context.Context, lab.Lab) ([]byte, error) { return inv.kubeconfig() },
		Verify:     verify,
	}
	var powerless []string
	for _, m := range inv.Machines {
		way, err := m.SSH.config(m.Name)
		if err != nil {
			return nil, fmt.Errorf("machine %s: %w", m.Name, err)
		}
		config.Machines = append(config.Machines, remote.Machine{Machine: m.Machine, SSH: way})
		if m.Power == "" {
			powerless = append(powerless, m.Name)
		}
	}
	if len(powerless) == 0 {
		config.Reset = inv.reset
	}
	made, err := remote.New(config)
	if err != nil {
		return nil, err
	}
	l := &machines{base: made.(base), images: newImages(made, filepath.Join(state, "workload.json"), logf)}
	if power, ok := made.(lab.Power); ok {
		return powered{l, power}, nil
	}
	return unpowered{l, fmt.Sprintf("%s has no power command for %s", file, strings.Join(powerless, ", "))}, nil
}

// base is what package remote makes.
type base interface {
	lab.Lab
	lab.Readiness
}

// machines is the lab: remote machines that may lack the workload image.
type machines struct {
	base
	images *images
}

// powered is the lab whose machines all have a power command.
type powered struct {
	*machines
	lab.Power
}

// unpowered is the lab that has machines without one.
type unpowered struct {
	*machines
	why string
}

// NoPower says which machines have no power command.
func (l unpowered) NoPower() string { return l.why }

// EnsureWorkload brings the workload image to the workers that lack it; see
// lab.Workload.
func (l *machines) EnsureWorkload(ctx context.Context) error { return l.images.ensure(ctx) }

// Acquire makes the caller the one user of the lab on this host; see lab.Lab.
// The release takes images away that EnsureWorkload brought.
func (l *machines) Acquire(ctx context.Context, who string) (release func(), err error) {
	end, err := l.base.Acquire(ctx, who)
	if err != nil {
		return nil, err
	}
	return func() {
		l.images.takeAway(context.WithoutCancel(ctx))
		end()
	}, nil
}

// madeFor is the file in a state directory that says which inventory it
// belongs to.
const madeFor = "inventory"

// stateDir makes the lab's state directory. Two files of one name would share
// it, and with it the journal of open faults: the second is refused.
func (inv Inventory) stateDir() (string, error) {
	root, err := lab.StateRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, Provider+"-"+inv.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make state directory: %w", err)
	}
	owner := filepath.Join(dir, madeFor)
	text, err := os.ReadFile(owner)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dir, os.WriteFile(owner, []byte(inv.File+"\n"), 0o600)
	case err != nil:
		return "", fmt.Errorf("read state directory: %w", err)
	}
	if other := strings.TrimSpace(string(text)); other != inv.File {
		if _, err := os.Stat(other); err == nil {
			return "", &lab.UsageError{
				What:   fmt.Sprintf("the name %s of inventory %s belongs to %s", inv.Name, inv.File, other),
				Advice: "give each a `name:` of its own; if they are the same machines, use one of the files",
			}
		}
		// It was moved here.
		return dir, os.WriteFile(owner, []byte(inv.File+"\n"), 0o600)
	}
	return dir, nil
}

// config says how to reach a host as root.
func (w SSH) config(name string) (sshnode.Config, error) {
	c := sshnode.Config{Name: name, Addr: w.addr(), User: w.User, Sudo: w.User != defaultUser}
	if w.Key != "" {
		c.KeyFiles = []string{w.Key}
	} else {
		c.AgentSocket = agentSocket()
	}
	if w.HostKey != "" {
		key, err := parseHostKey(w.HostKey)
		if err != nil {
			return c, err
		}
		c.HostKeys = sshnode.FixedHostKey(key)
	} else {
		var err error
		if c.HostKeys, err = sshnode.KnownHosts(w.KnownHosts); err != nil {
			return c, err
		}
	}
	if w.Jump != nil {
		jump, err := w.Jump.config(name + "'s jump host")
		if err != nil {
			return c, err
		}
		jump.Sudo = false
		c.Jump = &jump
	}
	return c, nil
}
