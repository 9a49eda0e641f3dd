package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxKeyFile bounds what is read of a private key file, in bytes.
const maxKeyFile = 1 << 20

// keys returns all keys to offer. release closes the agent's connection, which
// the agent's keys need until the handshake is over.
func (c Config) keys(ctx context.Context) (signers []ssh.Signer, release func(), err error) {
	signers = append(signers, c.Signers...)
	for _, path := range c.KeyFiles {
		s, err := loadKey(path)
		if err != nil {
			return nil, nil, &UsageError{Node: c.Name, Problem: "load private key " + path, Err: err}
		}
		signers = append(signers, s)
	}
	release = func() {}
	if c.AgentSocket != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.AgentSocket)
		if err != nil {
			return nil, nil, &UsageError{Node: c.Name, Problem: "reach ssh-agent", Err: err}
		}
		release = func() { conn.Close() }
		if err := conn.SetDeadline(time.Now().Add(c.ConnectTimeout)); err != nil {
			release()
			return nil, nil, &UsageError{Node: c.Name, Problem: "reach ssh-agent", Err: err}
		}
		held, err := agent.NewClient(conn).Signers()
		if err != nil {
			release()
			return nil, nil, &UsageError{Node: c.Name, Problem: "ask ssh-agent for its keys", Err: err}
		}
		signers = append(signers, held...)
	}
	if len(signers) == 0 {
		release()
		return nil, nil, &UsageError{Node: c.Name, Problem: "no key to log in with: the ssh-agent holds none (ssh-add KEY)"}
	}
	return signers, release, nil
}

// loadKey reads a private key file.
func loadKey(path string) (ssh.Signer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("mode %#o lets others read it: chmod 600 %s", perm, Quote(path))
	}
	pem, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	s, err := ssh.ParsePrivateKey(pem)
	var encrypted *ssh.PassphraseMissingError
	if errors.As(err, &encrypted) {
		return nil, fmt.Errorf("%w: add it to an ssh-agent and set AgentSocket", err)
	}
	return s, err
}
