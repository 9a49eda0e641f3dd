package cluster

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Access is what the controller needs in order to enter a lab made from a
// product: keep it as JSON in a file of mode 0600 beside the machines' disks.
type Access struct {
	// ClientKeyPEM is the only SSH key that the machines accept, for root, in
	// OpenSSH's format.
	ClientKeyPEM Secret `json:"clientKeyPEM"`
	// HostPublicKeys are the machines' SSH host keys by machine name.
	HostPublicKeys map[string]HostKey `json:"hostPublicKeys"`
	// CACert is the PEM certificate that signs the API server's.
	CACert []byte `json:"caCert"`
	// AdminCert and AdminKey are a client certificate in group
	// system:masters and its key, in PEM.
	AdminCert []byte `json:"adminCert"`
	AdminKey  Secret `json:"adminKey"`
}

// AdminKubeconfig is a kubeconfig with every right. The server URL must hold
// a name or address of the API server's certificate: the server machine's,
// 127.0.0.1 (a forwarded port) or localhost.
func (a Access) AdminKubeconfig(serverURL string) []byte {
	return kubeconfig(serverURL, "admin", a.CACert, pair{cert: a.AdminCert, key: a.AdminKey})
}

// Signer is the client key, ready for use with golang.org/x/crypto/ssh.
func (a Access) Signer() (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(a.ClientKeyPEM)
	if err != nil {
		return nil, fmt.Errorf("parse SSH client key: %w", err)
	}
	return signer, nil
}

// HostKey is a machine's public SSH key; as text it has the form of a
// known_hosts or authorized_keys line without host and options.
type HostKey struct{ ssh.PublicKey }

// MarshalText gives "ssh-ed25519 AAAA...".
func (k HostKey) MarshalText() ([]byte, error) {
	if k.PublicKey == nil {
		return nil, fmt.Errorf("encode SSH host key: there is none")
	}
	return bytes.TrimSpace(ssh.MarshalAuthorizedKey(k.PublicKey)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (k *HostKey) UnmarshalText(b []byte) error {
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return fmt.Errorf("parse SSH host key: %w", err)
	}
	k.PublicKey = key
	return nil
}
