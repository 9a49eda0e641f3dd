package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// sshKeys are the keys of all machines and of the one client.
type sshKeys struct {
	client  Secret
	allowed string // authorized_keys of root
	hosts   map[string]hostKeyPair
}

type hostKeyPair struct {
	private Secret
	public  ssh.PublicKey
}

func makeSSHKeys(s Spec) (sshKeys, error) {
	_, clientKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return sshKeys{}, fmt.Errorf("make SSH client key: %w", err)
	}
	client, err := sshKeyPair(clientKey, "nfsim")
	if err != nil {
		return sshKeys{}, fmt.Errorf("encode SSH client key: %w", err)
	}
	keys := sshKeys{client: client.private, hosts: map[string]hostKeyPair{}}
	keys.allowed = string(ssh.MarshalAuthorizedKey(client.public))
	if extra := strings.TrimSpace(s.SSHAuthorizedKey); extra != "" {
		keys.allowed += extra + "\n"
	}
	for _, m := range s.Machines {
		key, given := s.HostKeys[m.Name]
		if !given {
			if _, key, err = ed25519.GenerateKey(rand.Reader); err != nil {
				return sshKeys{}, fmt.Errorf("make SSH host key of %s: %w", m.Name, err)
			}
		}
		host, err := sshKeyPair(key, m.Name)
		if err != nil {
			return sshKeys{}, fmt.Errorf("encode SSH host key of %s: %w", m.Name, err)
		}
		keys.hosts[m.Name] = host
	}
	return keys, nil
}

func sshKeyPair(key ed25519.PrivateKey, comment string) (hostKeyPair, error) {
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return hostKeyPair{}, err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return hostKeyPair{}, err
	}
	return hostKeyPair{private: pem.EncodeToMemory(block), public: public}, nil
}
