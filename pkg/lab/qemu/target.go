package qemu

import (
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHTarget is a machine for a caller that speaks SSH itself.
type SSHTarget struct {
	Addr   string // host:port
	Config ssh.ClientConfig
}

// SSHClient says how to reach a machine; its host key is checked.
func (l *Lab) SSHClient(machine string) (SSHTarget, error) {
	m, err := l.machine(machine)
	if err != nil {
		return SSHTarget{}, err
	}
	signer, err := l.access.Signer()
	if err != nil {
		return SSHTarget{}, err
	}
	key, ok := l.access.HostPublicKeys[machine]
	if !ok {
		return SSHTarget{}, fmt.Errorf("no host key of %s is known", machine)
	}
	return SSHTarget{Addr: m.SSH, Config: ssh.ClientConfig{
		User:            "root",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(key.PublicKey),
		Timeout:         10 * time.Second,
	}}, nil
}
