package inventory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// checkFiles looks whether the files that an inventory names can be used. A
// file that machines share is looked at once.
func (inv Inventory) checkFiles(file string) Problems {
	var problems Problems
	seen := map[string]bool{}
	once := func(key string, line int, check func() error) {
		if seen[key] {
			return
		}
		seen[key] = true
		if err := check(); err != nil {
			problems = append(problems, Problem{File: file, Line: line, What: err.Error()})
		}
	}
	if inv.Kubeconfig != "" {
		line := inv.kubeconfigLine
		if inv.Context != "" {
			line = inv.contextLine
		}
		once("kubeconfig", line, func() error {
			_, err := inv.kubeconfig()
			return err
		})
	}
	for _, m := range inv.Machines {
		for w := &m.SSH; w != nil; w = w.Jump {
			if w.Key != "" {
				once("key "+w.Key, w.keyLine, func() error { return checkKey(w.Key) })
			} else {
				once("agent", w.keyLine, checkAgent)
			}
			if w.KnownHosts != "" {
				once("known "+w.KnownHosts+" "+w.addr(), w.hostKeyLine, func() error { return checkKnownHosts(w.KnownHosts, w.addr()) })
			}
		}
	}
	return problems
}

// checkKey says why a private key file cannot be used.
func checkKey(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("key: %w", plain(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("key %s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("key %s has mode %#o, so others may read it: chmod 600", path, info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("key: %w", plain(err))
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return fmt.Errorf("key: %w", plain(err))
	}
	_, err = ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return fmt.Errorf("key %s has a passphrase: add it to an ssh-agent and leave `key` out", path)
	}
	if err != nil {
		return fmt.Errorf("key %s: %w", path, err)
	}
	return nil
}

// agentSocket is where the user's ssh-agent listens, "" when there is none.
func agentSocket() string { return os.Getenv("SSH_AUTH_SOCK") }

func checkAgent() error {
	if agentSocket() == "" {
		return errors.New("ssh: there is no `key`, and no ssh-agent (SSH_AUTH_SOCK is not set)")
	}
	return nil
}

// checkKnownHosts says why a known_hosts file cannot tell who a host is.
func checkKnownHosts(path, addr string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("known_hosts: %w", plain(err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("known_hosts %s is not a regular file", path)
	}
	callback, err := knownhosts.New(path)
	if err != nil {
		return fmt.Errorf("known_hosts: %w", plain(err))
	}
	var unknown *knownhosts.KeyError
	if err := callback(addr, &net.TCPAddr{}, noKey{}); errors.As(err, &unknown) && len(unknown.Want) == 0 {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		return fmt.Errorf("known_hosts %s does not list %s: log in once with ssh, or compare what `ssh-keyscan -p %s %s` says with the machine's console", path, knownhosts.Normalize(addr), port, host)
	}
	return nil
}

// noKey is a key that no host has: asked for it, a list tells those it knows.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("this is no key") }

// kubeconfig returns the kubeconfig with the chosen context alone and with all
// that it names in other files.
func (inv Inventory) kubeconfig() ([]byte, error) {
	if _, err := readBounded(inv.Kubeconfig); err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", plain(err))
	}
	config, err := clientcmd.LoadFromFile(inv.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", inv.Kubeconfig, err)
	}
	if inv.Context != "" {
		if config.Contexts[inv.Context] == nil {
			return nil, fmt.Errorf("context: kubeconfig %s has no context %q", inv.Kubeconfig, inv.Context)
		}
		config.CurrentContext = inv.Context
	}
	if err := clientcmdapi.MinifyConfig(config); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", inv.Kubeconfig, err)
	}
	if err := clientcmd.ResolveLocalPaths(config); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", inv.Kubeconfig, err)
	}
	if err := clientcmdapi.FlattenConfig(config); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", inv.Kubeconfig, err)
	}
	if err := clientcmd.ConfirmUsable(*config, config.CurrentContext); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", inv.Kubeconfig, err)
	}
	return clientcmd.Write(*config)
}

// plain says path and reason without the name of a system call.
func plain(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("%s: %w", at.Path, at.Err)
	}
	return err
}
