// Package lab says what a lab is: the machines of one experiment, one server
// and two or more workers, however they came to be. Providers live below it.
//
//	l, err := qemu.Attach(ctx, "default")
//	server, err := l.Node(ctx, lab.ServerName(l))
package lab

import (
	"context"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Role is what a machine does in a lab.
type Role string

// The roles. A lab has exactly one server and at least two workers.
const (
	Server Role = "server" // NFS server, and the control plane in the built-in lab
	Worker Role = "worker" // NFS client, kubelet, container runtime
)

// Machine is one machine of a lab as the plan sees it.
type Machine struct {
	Name string `json:"name"` // host name and Kubernetes node name
	Role Role   `json:"role"`
	Addr string `json:"addr"` // address that the other machines of the lab reach it at
	// KubeletUnit is the systemd unit of a worker's kubelet; empty: kubelet.service.
	KubeletUnit string `json:"kubeletUnit,omitempty"`
	// ExportRoot is the directory of the server below which exports are made;
	// empty: package nfs's.
	ExportRoot string `json:"exportRoot,omitempty"`
}

// Lab is a set of machines that are up. Close releases connections; it never
// stops a machine.
type Lab interface {
	// Name is the lab's name, as in `nfsim lab up --name`.
	Name() string
	// Provider is "qemu", "vagrant" or "inventory".
	Provider() string
	// Machines lists the server first, then the workers by name.
	Machines() []Machine
	// Node returns the one persistent connection to a machine, dialled at the
	// first call and dialled again when the old one broke (after a reset, say).
	Node(ctx context.Context, machine string) (*sshnode.Node, error)
	// Kubeconfig returns an administrator's kubeconfig that works from here.
	Kubeconfig(ctx context.Context) ([]byte, error)
	// StateDir is where the lab keeps its journal of open faults.
	StateDir() string
	// Acquire makes the caller the one user of the lab until release is called
	// or it dies; who is a word on the caller for others. It does not wait: a lab
	// in use is a *BusyError.
	Acquire(ctx context.Context, who string) (release func(), err error)
	// Close closes the connections.
	Close() error
}

// Power is the ability to cut a machine's power and give it back at once, as
// a reset button does: nothing is flushed, nothing is told.
type Power interface {
	Reset(ctx context.Context, machine string) error
}

// PowerMissing is a lab without Power that can say why: what is missing, as a
// clause.
type PowerMissing interface {
	NoPower() string
}

// Workload is the ability to bring the image of the workload pods to workers
// that came without it. What was brought is taken away again when the release
// of Acquire is called.
type Workload interface {
	EnsureWorkload(ctx context.Context) error
}

// Snapshots is the ability to put all machines back to the ready state.
// After Restore the old connections are gone; Node dials again.
type Snapshots interface {
	Restore(ctx context.Context) error
}

// Readiness is the ability of a lab that somebody else starts to be waited for:
// it may be half-way up, or not fit for experiments. Faults that an earlier run
// left open are to be healed before.
type Readiness interface {
	AwaitReady(ctx context.Context, logf func(format string, args ...any)) error
}

// OwnCluster is a lab whose Kubernetes cluster is there for nfsim alone, and may
// stand still while a run has no use for it.
type OwnCluster interface {
	// ClusterUnits are the systemd units of the control plane on the server, in the
	// order in which they are started.
	ClusterUnits() []string
}

// Console is the ability to show the last bytes of a machine's serial console.
type Console interface {
	ConsoleTail(machine string, bytes int) ([]byte, error)
}

// Workers lists the machines with role Worker.
func Workers(l Lab) []Machine {
	var out []Machine
	for _, m := range l.Machines() {
		if m.Role == Worker {
			out = append(out, m)
		}
	}
	return out
}

// ServerOf returns the machine with role Server.
func ServerOf(l Lab) Machine {
	for _, m := range l.Machines() {
		if m.Role == Server {
			return m
		}
	}
	return Machine{}
}
