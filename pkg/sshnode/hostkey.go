package sshnode

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// HostKeyError is a node whose host key is unknown, revoked or not the
// expected one.
type HostKeyError struct {
	Node, Addr string
	Got        ssh.PublicKey
	Want       []ssh.PublicKey // empty: the node is unknown
	Known      []string        // "file:line" of each entry in Want, if from a file
	Err        error           // what the callback said; may be nil
}

// Error says which key came, which was expected, and what to do.
func (e *HostKeyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: host key of %s is %s", e.Node, e.Addr, fingerprint(e.Got))
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(e.Err, &revoked):
		fmt.Fprintf(&b, ", which %s:%d revokes", revoked.Revoked.Filename, revoked.Revoked.Line)
	case len(e.Want) > 0:
		want := make([]string, len(e.Want))
		for i, k := range e.Want {
			want[i] = fingerprint(k)
			if i < len(e.Known) {
				want[i] += " (" + e.Known[i] + ")"
			}
		}
		fmt.Fprintf(&b, ", expected %s: either the machine was made anew (then replace the old entry: ssh-keygen -R %s) or something stands in between",
			strings.Join(want, " or "), knownhosts.Normalize(e.Addr))
	case e.Err != nil:
		var unknown *knownhosts.KeyError
		if !errors.As(e.Err, &unknown) {
			fmt.Fprintf(&b, ", not accepted: %v", e.Err)
			break
		}
		host, port, err := net.SplitHostPort(e.Addr)
		if err != nil {
			host, port = e.Addr, "22"
		}
		fmt.Fprintf(&b, ", which known_hosts does not list: compare it on the machine's console, then add it: ssh-keyscan -p %s %s >> known_hosts", port, host)
	}
	return b.String()
}

// Unwrap returns what the callback said.
func (e *HostKeyError) Unwrap() error { return e.Err }

// KnownHosts returns a callback that accepts the keys listed in an OpenSSH
// known_hosts file. The file is read now, not at each connection.
func KnownHosts(path string) (ssh.HostKeyCallback, error) {
	cb, err := knownhosts.New(path)
	if err != nil {
		return nil, &UsageError{Problem: "read known_hosts file " + path, Err: err}
	}
	return cb, nil
}

// FixedHostKey returns a callback that accepts one key and no other.
func FixedHostKey(key ssh.PublicKey) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, got ssh.PublicKey) error {
		if bytes.Equal(got.Marshal(), key.Marshal()) {
			return nil
		}
		return &HostKeyError{Got: got, Want: []ssh.PublicKey{key}}
	}
}

// hostKeyError makes a *HostKeyError of what a callback said.
func hostKeyError(node, addr string, got ssh.PublicKey, err error) *HostKeyError {
	e := &HostKeyError{Node: node, Addr: addr, Got: got, Err: err}
	var fixed *HostKeyError
	var known *knownhosts.KeyError
	switch {
	case errors.As(err, &fixed):
		e.Want, e.Known, e.Err = fixed.Want, fixed.Known, fixed.Err
	case errors.As(err, &known):
		for _, k := range known.Want {
			e.Want = append(e.Want, k.Key)
			e.Known = append(e.Known, fmt.Sprintf("%s:%d", k.Filename, k.Line))
		}
	}
	return e
}

// otherAlgorithms returns the algorithms of the expected keys if the node
// showed a key of a type that none of them has. A node has several host keys
// and shows the one that the two sides negotiate; the known one may be another,
// so it is worth asking for that one by name. Nil: the key is simply wrong.
func (e *HostKeyError) otherAlgorithms() []string {
	var algos []string
	for _, k := range e.Want {
		switch k.Type() {
		case e.Got.Type():
			return nil
		case ssh.KeyAlgoRSA:
			// RFC 8332: an RSA key signs with SHA-2.
			algos = append(algos, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			algos = append(algos, k.Type())
		}
	}
	slices.Sort(algos)
	return slices.Compact(algos)
}

func fingerprint(k ssh.PublicKey) string { return k.Type() + " " + ssh.FingerprintSHA256(k) }
