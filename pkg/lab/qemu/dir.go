package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nfsim/nfsim/pkg/lab"
)

// Dir is a lab's state directory, $XDG_STATE_HOME/nfsim/labs/NAME, mode 0700.
// docs/labs.md describes it file by file.
type Dir string

// DirOf is the state directory of a lab; it need not be there.
func DirOf(name string) (Dir, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	root, err := lab.StateRoot()
	if err != nil {
		return "", err
	}
	return Dir(filepath.Join(root, name)), nil
}

// Make creates the directory if it is missing and closes it to others.
func (d Dir) Make() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	return os.Chmod(string(d), 0o700)
}

// Exists says whether the directory is there.
func (d Dir) Exists() bool {
	_, err := os.Stat(string(d))
	return !errors.Is(err, fs.ErrNotExist)
}

func (d Dir) join(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Lock is held by the keeper for as long as it lives.
func (d Dir) Lock() string { return d.join("lock") }

// UseLock is held by the one process that uses the lab (nfsim run).
func (d Dir) UseLock() string { return d.join("use.lock") }

// Status is what the keeper last said of the lab, as JSON.
func (d Dir) Status() string { return d.join("status.json") }

// Control is the keeper's unix socket.
func (d Dir) Control() string { return d.join("control.sock") }

// KeeperLog is the keeper's own log.
func (d Dir) KeeperLog() string { return d.join("keeper.log") }

// Access is the SSH keys and the certificates, as JSON (package cluster), mode 0600.
func (d Dir) Access() string { return d.join("access.json") }

// Kubeconfig is an administrator's kubeconfig, mode 0600.
func (d Dir) Kubeconfig() string { return d.join("kubeconfig") }

// SSHConfig is an OpenSSH configuration for the machines.
func (d Dir) SSHConfig() string { return d.join("ssh", "config") }

// SSHKey is the private key for the machines, mode 0600.
func (d Dir) SSHKey() string { return d.join("ssh", "id_ed25519") }

// KnownHosts is the machines' host keys in OpenSSH's format.
func (d Dir) KnownHosts() string { return d.join("ssh", "known_hosts") }

// Ready holds the ready snapshot of a lab that was started with Spec.Fresh.
func (d Dir) Ready() string { return d.join("ready") }

// Faults is the journal of open faults (package fault).
func (d Dir) Faults() string { return d.join("faults.jsonl") }

// Dirty is there while a run is under way, and stays when it is killed
// (package run).
func (d Dir) Dirty() string { return d.join("dirty") }

// Machine is the directory of one machine's files.
func (d Dir) Machine(name string) string { return d.join("machines", name) }

// Disk is a machine's overlay disk, thrown away when the lab goes down.
func (d Dir) Disk(machine string) string { return d.join("machines", machine, "disk.qcow2") }

// Console is a machine's serial console since its QEMU was started; the one
// before it is Console+".1".
func (d Dir) Console(machine string) string { return d.join("machines", machine, "console.log") }
