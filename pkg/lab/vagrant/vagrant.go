// Package vagrant is the lab of a Vagrantfile: the machines that `vagrant up`
// made and provisioned, whatever their provider.
//
//	l, err := vagrant.Open(ctx, ".")
//
// Provisioning begins on the host: the Vagrantfile calls `nfsim lab seed`,
// which writes .vagrant/nfsim (see WriteSeed). Host keys are made there, so they are
// known before the first connection.
package vagrant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/remote"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Here reports whether dir has a Vagrantfile whose machines Vagrant has made
// and nfsim has seeded. It looks at files only; whether they run is Open's.
func Here(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "Vagrantfile")); err != nil {
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, StateDirName, labFile)); err != nil {
		return false
	}
	ids, err := filepath.Glob(filepath.Join(dir, ".vagrant", "machines", "*", "*", "id"))
	return err == nil && len(ids) > 0
}

// NotRunningError is a Vagrantfile whose machines do not all run.
type NotRunningError struct{ Machines []string } // "worker1 is shutoff"

func (e *NotRunningError) usage() *lab.UsageError {
	return &lab.UsageError{What: "not all machines of the Vagrantfile run: " + strings.Join(e.Machines, ", "), Advice: "vagrant up"}
}

// Error says what to do.
func (e *NotRunningError) Error() string { return e.usage().Error() }

// Unwrap makes it a *lab.UsageError.
func (e *NotRunningError) Unwrap() error { return e.usage() }

// Open finds the running machines of the Vagrantfile in dir. That Vagrant is
// missing, or that machines are not there, is a *lab.UsageError with the
// command to run, *NotRunningError if they are only down; that they are half
// provisioned is one of AwaitReady.
func Open(ctx context.Context, dir string) (lab.Lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d, access, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if err := allRun(ctx, dir, d); err != nil {
		return nil, err
	}
	out, err := command(ctx, askTimeout, dir, "vagrant", "ssh-config")
	if err != nil {
		return nil, err
	}
	logins, err := parseSSHConfig(out)
	if err != nil {
		return nil, &lab.UsageError{What: "vagrant ssh-config cannot be used", Err: err}
	}
	config := remote.Config{
		Provider: "vagrant", Name: filepath.Base(dir), StateDir: filepath.Join(dir, StateDirName),
		Kubeconfig: (&tunnel{}).kubeconfig,
		Verify:     d.verify,
		Reset:      func(ctx context.Context, machine string) error { return reset(ctx, dir, machine) },
	}
	for _, m := range d.Machines {
		l, ok := logins[m.Name]
		key := access.HostPublicKeys[m.Name]
		if !ok || key.PublicKey == nil {
			return nil, &lab.UsageError{What: fmt.Sprintf("vagrant ssh-config or %s does not know %s", accessFile, m.Name), Advice: "vagrant up --provision"}
		}
		config.Machines = append(config.Machines, remote.Machine{Machine: m, SSH: sshnode.Config{
			Name: m.Name, Addr: l.addr, User: l.user, KeyFiles: l.keys, Sudo: l.user != "root",
			HostKeys: sshnode.FixedHostKey(key.PublicKey),
		}})
	}
	return remote.New(config)
}

// readState reads what the seed left on this host.
func readState(dir string) (d Description, access cluster.Access, err error) {
	if _, err := os.Stat(filepath.Join(dir, "Vagrantfile")); err != nil {
		return d, access, &lab.UsageError{What: "there is no Vagrantfile in " + dir, Advice: "go to nfsim's directory, or choose another lab with --lab"}
	}
	state := filepath.Join(dir, StateDirName)
	err = errors.Join(readJSON(filepath.Join(state, labFile), &d), readJSON(filepath.Join(state, accessFile), &access))
	if errors.Is(err, fs.ErrNotExist) {
		return d, access, &lab.UsageError{What: "the machines of the Vagrantfile are not provisioned", Advice: "vagrant up"}
	}
	if err != nil {
		return d, access, &lab.UsageError{What: "what provisioning left cannot be used", Err: err, Advice: "vagrant up --provision"}
	}
	return d, access, nil
}

// allRun asks Vagrant whether every machine runs.
func allRun(ctx context.Context, dir string, d Description) error {
	out, err := command(ctx, askTimeout, dir, "vagrant", "status", "--machine-readable")
	if err != nil {
		return err
	}
	states := parseStates(out)
	var wrong []string
	for _, m := range d.Machines {
		if s := states[m.Name]; s != "running" {
			if s == "" {
				s = "unknown to the Vagrantfile"
			}
			wrong = append(wrong, m.Name+" is "+strings.ReplaceAll(s, "_", " "))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &NotRunningError{Machines: wrong}
}

// verify looks whether all machines were provisioned to their end with the seed
// of this host.
func (d Description) verify(ctx context.Context, l lab.Lab) error {
	var wrong []string
	for _, m := range l.Machines() {
		node, err := l.Node(ctx, m.Name)
		if err != nil {
			return err
		}
		id, err := node.Output(ctx, "cat "+sshnode.Quote(provisionedFile)+" 2>/dev/null || true")
		if err != nil {
			return err
		}
		if strings.TrimSpace(id) != d.ID {
			wrong = append(wrong, m.Name)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &lab.UsageError{
		What:   "provisioning has not come to its end, or was another one, on " + strings.Join(wrong, ", "),
		Advice: "vagrant up --provision",
	}
}

// tunnel is the way to the API server: through the server's SSH connection,
// because not every provider makes the private network reachable from here.
type tunnel struct {
	mu   sync.Mutex
	node *sshnode.Node
	addr string
	stop func() error
}

// kubeconfig fetches the administrator's kubeconfig from the server and points
// it to the tunnel.
func (t *tunnel) kubeconfig(ctx context.Context, l lab.Lab) ([]byte, error) {
	node, err := l.Node(ctx, lab.ServerOf(l).Name)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.node != node {
		if t.stop != nil {
			_ = t.stop() // of a connection that is gone
		}
		addr, stop, err := node.Forward(ctx, "127.0.0.1:6443")
		if err != nil {
			return nil, fmt.Errorf("reach the API server: %w", err)
		}
		t.node, t.addr, t.stop = node, addr.String(), stop
	}
	text, err := node.Output(ctx, "cat "+adminConf)
	if err != nil {
		return nil, fmt.Errorf("fetch the kubeconfig: %w", err)
	}
	config, err := clientcmd.Load([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of the server: %w", err)
	}
	for _, c := range config.Clusters {
		c.Server = "https://" + t.addr
	}
	return clientcmd.Write(*config)
}

// reset cuts a machine's power through its provider.
func reset(ctx context.Context, dir, machine string) error {
	ids, err := filepath.Glob(filepath.Join(dir, ".vagrant", "machines", machine, "*", "id"))
	if err != nil || len(ids) != 1 {
		return &lab.InfraError{Machine: machine, What: "its provider's id is not in .vagrant", Err: err}
	}
	id, err := os.ReadFile(ids[0])
	if err != nil {
		return err
	}
	switch provider := filepath.Base(filepath.Dir(ids[0])); provider {
	case "libvirt":
		_, err = command(ctx, askTimeout, dir, "virsh", "reset", strings.TrimSpace(string(id)))
	case "virtualbox":
		_, err = command(ctx, askTimeout, dir, "VBoxManage", "controlvm", strings.TrimSpace(string(id)), "reset")
	default:
		// Power off and on: slower, the same to the machine.
		if _, err = command(ctx, askTimeout, dir, "vagrant", "halt", "--force", machine); err == nil {
			_, err = command(ctx, bootTimeout, dir, "vagrant", "up", "--no-provision", machine)
		}
	}
	return err
}
