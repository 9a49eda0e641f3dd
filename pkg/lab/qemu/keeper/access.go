package keeper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
)

const (
	sshPort = 22
	apiPort = 6443
)

// forward opens the lab's ports on 127.0.0.1. They stay the same for as long as
// the keeper lives.
func (k *keeper) forward() error {
	for _, m := range k.spec.Machines() {
		addr := netip.MustParseAddr(m.Addr)
		local, err := k.net.Forward(m.Name, netip.AddrPortFrom(addr, sshPort))
		if err != nil {
			return err
		}
		k.updateMachine(m.Name, func(s *qemu.MachineStatus) { s.SSH = local.String() })
		if m.Role != lab.Server {
			continue
		}
		local, err = k.net.Forward(m.Name, netip.AddrPortFrom(addr, apiPort))
		if err != nil {
			return err
		}
		k.update(func(s *qemu.Status) { s.APIServer = local.String() })
	}
	return nil
}

// writeAccess puts what it takes to enter the lab into the state directory.
func (k *keeper) writeAccess(a cluster.Access) error {
	status := k.snapshotStatus()
	access, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode access: %w", err)
	}
	var known, config bytes.Buffer
	for _, m := range status.Machines {
		host, port, err := net.SplitHostPort(m.SSH)
		if err != nil {
			return fmt.Errorf("write access: %w", err)
		}
		key, ok := a.HostPublicKeys[m.Name]
		if !ok {
			return fmt.Errorf("write access: no host key of %s", m.Name)
		}
		fmt.Fprintln(&known, knownhosts.Line([]string{m.SSH}, key.PublicKey))
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n  Port %s\n  User root\n  IdentityFile %q\n  IdentitiesOnly yes\n  UserKnownHostsFile %q\n  StrictHostKeyChecking yes\n",
			m.Name, host, port, k.dir.SSHKey(), k.dir.KnownHosts())
	}
	if err := os.MkdirAll(filepath.Dir(k.dir.SSHKey()), 0o700); err != nil {
		return fmt.Errorf("write access: %w", err)
	}
	for _, f := range []struct {
		path    string
		content []byte
	}{
		{k.dir.Access(), access},
		{k.dir.Kubeconfig(), a.AdminKubeconfig("https://" + status.APIServer)},
		{k.dir.SSHKey(), a.ClientKeyPEM},
		{k.dir.KnownHosts(), known.Bytes()},
		{k.dir.SSHConfig(), config.Bytes()},
	} {
		if err := os.WriteFile(f.path, f.content, 0o600); err != nil {
			return fmt.Errorf("write access: %w", err)
		}
	}
	return nil
}
