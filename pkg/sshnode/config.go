package sshnode

import (
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultKeepAlive      = 5 * time.Second
	// DefaultDialRetry bounds Dial when neither Config.DialRetry nor the
	// context does.
	DefaultDialRetry = 2 * time.Minute
)

// missedKeepAlives is how many intervals without an answer end a connection.
const missedKeepAlives = 3

// Config says how to reach a node.
type Config struct {
	// Name is what errors call the node. Empty: Addr.
	Name string
	// Addr is host:port.
	Addr string
	// User is the login name.
	User string

	// Signers, KeyFiles and AgentSocket are the keys to offer, in this order.
	// At least one key is needed.
	Signers []ssh.Signer
	// KeyFiles are private key files without a passphrase. A file that its
	// group or others may read is a *UsageError.
	KeyFiles []string
	// AgentSocket is the path of an ssh-agent's socket. Empty: no agent.
	AgentSocket string

	// HostKeys verifies the node's host key. Required; see KnownHosts and
	// FixedHostKey.
	HostKeys ssh.HostKeyCallback

	// Jump is the node to go through, in the manner of ssh -J. Nil: none.
	Jump *Config

	// Sudo runs every command, and the SFTP server, as root through sudo -n.
	// Dial and Forward are not affected.
	Sudo bool

	// ConnectTimeout bounds one attempt to connect, handshake and
	// authentication included. 0: DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// KeepAlive is the interval between two questions whether the node is
	// still there. 0: DefaultKeepAlive. Three intervals without an answer end
	// the connection.
	KeepAlive time.Duration
	// DialRetry bounds how long Dial tries again after transport failures.
	// 0: until the context ends, or DefaultDialRetry if it has no deadline.
	// Negative: a single attempt.
	DialRetry time.Duration
}

// checked returns the config with its defaults filled in, or a *UsageError.
func (c Config) checked() (Config, error) {
	if c.Name == "" {
		c.Name = c.Addr
	}
	usage := func(problem string, err error) (Config, error) {
		return Config{}, &UsageError{Node: c.Name, Problem: problem, Err: err}
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return usage("address is not host:port", err)
	}
	if c.User == "" {
		return usage("no user to log in as", nil)
	}
	if c.HostKeys == nil {
		return usage("no host key verification: set HostKeys, with KnownHosts or FixedHostKey", nil)
	}
	if len(c.Signers) == 0 && len(c.KeyFiles) == 0 && c.AgentSocket == "" {
		return usage("no key to log in with: set Signers, KeyFiles or AgentSocket", nil)
	}
	if c.ConnectTimeout < 0 || c.KeepAlive < 0 {
		return usage("negative timeout", nil)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = DefaultKeepAlive
	}
	if c.Jump != nil {
		jump, err := c.Jump.checked()
		if err != nil {
			return usage("jump host", err)
		}
		// The outer loop tries again with a new jump connection.
		jump.DialRetry = -1
		c.Jump = &jump
	}
	return c, nil
}
