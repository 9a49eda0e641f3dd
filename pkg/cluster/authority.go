package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// backdate lets a certificate be valid on a guest whose clock is late:
	// a machine restored from a snapshot runs on the snapshot's time until
	// the provider has set its clock.
	backdate = 24 * time.Hour
	// lifetimeYears outlives any cached ready state.
	lifetimeYears = 10
	serialBits    = 128 // RFC 5280 section 4.1.2.2 allows 20 octets
)

// pair is a certificate and its private key, both in PEM.
type pair struct {
	cert []byte
	key  Secret
}

// authority is a certificate authority whose key never leaves the process.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	now  time.Time
}

func newAuthority(name string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of CA %s: %w", name, err)
	}
	template, err := certificate(pkix.Name{CommonName: name}, now)
	if err != nil {
		return nil, fmt.Errorf("make CA %s: %w", name, err)
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign CA %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back CA %s: %w", name, err)
	}
	return &authority{cert: cert, key: key, pem: certPEM(der), now: now}, nil
}

// subject says whom a certificate names and what it may be used for.
type subject struct {
	name   string
	groups []string // Kubernetes reads organizations as groups
	hosts  []string // DNS names and IP addresses
	client bool
	server bool
}

func (a *authority) issue(s subject) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("make key of %s: %w", s.name, err)
	}
	template, err := certificate(pkix.Name{CommonName: s.name, Organization: s.groups}, a.now)
	if err != nil {
		return pair{}, fmt.Errorf("make certificate of %s: %w", s.name, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if s.client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if s.server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range s.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return pair{}, fmt.Errorf("sign certificate of %s: %w", s.name, err)
	}
	keyBytes, err := keyPEM(key)
	if err != nil {
		return pair{}, fmt.Errorf("encode key of %s: %w", s.name, err)
	}
	return pair{cert: certPEM(der), key: keyBytes}, nil
}

func certificate(name pkix.Name, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      name,
		NotBefore:    now.Add(-backdate).UTC(),
		NotAfter:     now.AddDate(lifetimeYears, 0, 0).UTC(),
	}, nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(key *ecdsa.PrivateKey) (Secret, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
