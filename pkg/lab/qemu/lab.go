package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/lock"
	"github.com/nfsim/nfsim/pkg/lab/qemu/network"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Lab is a lab that is up. It has power, snapshots, consoles and links, and is
// safe for concurrent use.
type Lab struct {
	dir    Dir
	client *client
	access cluster.Access
	tether io.Closer // our end of the keeper's life line; nil when there is none

	connections lab.Connections

	mu     sync.Mutex
	status Status
}

var (
	_ lab.Lab        = (*Lab)(nil)
	_ lab.Power      = (*Lab)(nil)
	_ lab.Snapshots  = (*Lab)(nil)
	_ lab.Console    = (*Lab)(nil)
	_ lab.OwnCluster = (*Lab)(nil)
)

func newLab(d Dir, s Status) (*Lab, error) {
	b, err := os.ReadFile(d.Access())
	if err != nil {
		return nil, fmt.Errorf("open lab %s: %w", s.Name, err)
	}
	l := &Lab{dir: d, client: newClient(d), status: s}
	if err := json.Unmarshal(b, &l.access); err != nil {
		return nil, fmt.Errorf("open lab %s: parse %s: %w", s.Name, d.Access(), err)
	}
	return l, nil
}

// Name is the lab's name.
func (l *Lab) Name() string { return l.status.Name }

// Provider is "qemu".
func (l *Lab) Provider() string { return "qemu" }

// StateDir is the lab's state directory.
func (l *Lab) StateDir() string { return string(l.dir) }

// ClusterUnits are those of the control plane that the lab was made with.
func (l *Lab) ClusterUnits() []string { return cluster.ControlPlaneUnits() }

// Machines lists the server first, then the workers.
func (l *Lab) Machines() []lab.Machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]lab.Machine, 0, len(l.status.Machines))
	for _, m := range l.status.Machines {
		out = append(out, m.Machine)
	}
	return out
}

// Status asks the keeper how the lab is.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	s, err := l.client.status(ctx)
	if err != nil {
		return Status{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = s
	return s, nil
}

func (l *Lab) machine(name string) (MachineStatus, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := ""
	for _, m := range l.status.Machines {
		if m.Name == name {
			return m, nil
		}
		known += " " + m.Name
	}
	return MachineStatus{}, &lab.UsageError{What: fmt.Sprintf("lab %s has no machine %q", l.status.Name, name), Advice: "it has" + known}
}

// Node returns the connection to a machine, dialled at the first call and again
// when the old one broke. It tries until ctx ends.
func (l *Lab) Node(ctx context.Context, machine string) (*sshnode.Node, error) {
	m, err := l.machine(machine)
	if err != nil {
		return nil, err
	}
	return l.connections.Node(ctx, machine, func() (sshnode.Config, error) { return SSHConfig(l.access, m) })
}

// SSHConfig says how to reach a machine of a lab that is up.
func SSHConfig(a cluster.Access, m MachineStatus) (sshnode.Config, error) {
	signer, err := a.Signer()
	if err != nil {
		return sshnode.Config{}, err
	}
	key, ok := a.HostPublicKeys[m.Name]
	if !ok {
		return sshnode.Config{}, fmt.Errorf("no host key of %s is known", m.Name)
	}
	return sshnode.Config{
		Name:     m.Name,
		Addr:     m.SSH,
		User:     "root",
		Signers:  []ssh.Signer{signer},
		HostKeys: sshnode.FixedHostKey(key.PublicKey),
	}, nil
}

// Kubeconfig is an administrator's, for the API server's port on 127.0.0.1.
func (l *Lab) Kubeconfig(context.Context) ([]byte, error) {
	b, err := os.ReadFile(l.dir.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of lab %s: %w", l.Name(), err)
	}
	return b, nil
}

// Reset presses a machine's reset button and returns once it is pressed. The
// connection to the machine is closed.
func (l *Lab) Reset(ctx context.Context, machine string) error {
	if _, err := l.machine(machine); err != nil {
		return err
	}
	if err := l.client.post(ctx, "/reset", url.Values{"machine": {machine}}); err != nil {
		return fmt.Errorf("reset %s: %w", machine, err)
	}
	l.connections.Drop(machine)
	return nil
}

// Restore puts all machines back to the ready snapshot and returns once the lab
// is ready again: SSH on all, API ready, nodes Ready, clocks set. All
// connections are closed.
func (l *Lab) Restore(ctx context.Context) error {
	l.connections.Close()
	if err := l.client.post(ctx, "/restore", nil); err != nil {
		return fmt.Errorf("restore lab %s: %w", l.Name(), err)
	}
	_, err := l.Status(ctx)
	return err
}

// SetLink takes a machine's network link up or down. Down, every frame from and
// to the machine is dropped and counted.
func (l *Lab) SetLink(ctx context.Context, machine string, up bool) error {
	if _, err := l.machine(machine); err != nil {
		return err
	}
	args := url.Values{"machine": {machine}, "up": {strconv.FormatBool(up)}}
	if err := l.client.post(ctx, "/link", args); err != nil {
		return fmt.Errorf("set link of %s: %w", machine, err)
	}
	return nil
}

// LinkStats reads the counters of a machine's link.
func (l *Lab) LinkStats(ctx context.Context, machine string) (network.LinkStats, error) {
	if _, err := l.Status(ctx); err != nil {
		return network.LinkStats{}, err
	}
	m, err := l.machine(machine)
	if err != nil {
		return network.LinkStats{}, err
	}
	if m.Link == nil {
		return network.LinkStats{}, &lab.InfraError{Machine: machine, What: "has no link: it is off"}
	}
	return *m.Link, nil
}

// ConsoleTail reads the end of a machine's serial console.
func (l *Lab) ConsoleTail(machine string, bytes int) ([]byte, error) {
	if _, err := l.machine(machine); err != nil {
		return nil, err
	}
	return Tail(l.dir.Console(machine), int64(bytes))
}

// Acquire makes the caller the one user of the lab; see lab.Lab.
func (l *Lab) Acquire(_ context.Context, who string) (release func(), err error) {
	return lab.Acquire(l.dir.UseLock(), l.Name(), who)
}

// Release lets the lab outlive the process that started it with a tether.
func (l *Lab) Release(ctx context.Context) error {
	if err := l.client.post(ctx, "/release", nil); err != nil {
		return fmt.Errorf("release lab %s: %w", l.Name(), err)
	}
	return nil
}

// Down ends the lab and waits until its keeper is gone.
func (l *Lab) Down(ctx context.Context) error {
	_ = l.Close()
	if err := l.client.post(ctx, "/down", nil); err != nil {
		return fmt.Errorf("take down lab %s: %w", l.Name(), err)
	}
	return awaitUnlocked(ctx, l.dir.Lock())
}

// Close closes the connections. A tethered lab goes down when its starter ends,
// not here.
func (l *Lab) Close() error {
	l.connections.Close()
	l.client.close()
	return nil
}

// awaitUnlocked waits until nobody holds a lock.
func awaitUnlocked(ctx context.Context, path string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		held, is, err := lock.Holder(path)
		if err != nil || !is {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %w: %w", held, ctx.Err())
		case <-tick.C:
		}
	}
}
