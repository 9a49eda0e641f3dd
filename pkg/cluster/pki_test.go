package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(certPEM)
	if block == nil || len(rest) != 0 {
		t.Fatalf("not one PEM block: %q", certPEM)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func pool(t *testing.T, caPEM []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	p.AddCert(parse(t, caPEM))
	return p
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p, err := makePKI(testSpec(t), now)
	if err != nil {
		t.Fatal(err)
	}
	client, server := x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	for _, tc := range []struct {
		name   string
		pair   pair
		ca     []byte
		usage  []x509.ExtKeyUsage
		cn     string
		groups []string
		hosts  []string
	}{
		{"apiserver", p.apiserver, p.clusterCA, []x509.ExtKeyUsage{server}, "kube-apiserver", nil,
			[]string{"server", "192.168.127.10", "127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1"}},
		{"apiserver to kubelet", p.apiserverKubelet, p.clusterCA, []x509.ExtKeyUsage{client}, "kube-apiserver-kubelet-client", []string{"system:masters"}, nil},
		{"apiserver to etcd", p.apiserverEtcd, p.etcdCA, []x509.ExtKeyUsage{client}, "kube-apiserver-etcd-client", nil, nil},
		{"etcd", p.etcdServer, p.etcdCA, []x509.ExtKeyUsage{client, server}, "etcd", nil, []string{"127.0.0.1", "server"}},
		{"etcd peer", p.etcdPeer, p.etcdCA, []x509.ExtKeyUsage{client, server}, "etcd-peer", nil, []string{"127.0.0.1", "server"}},
		{"front proxy", p.frontProxy, p.frontProxyCA, []x509.ExtKeyUsage{client}, "front-proxy-client", nil, nil},
		{"controller manager", p.controllerManager, p.clusterCA, []x509.ExtKeyUsage{client}, "system:kube-controller-manager", nil, nil},
		{"scheduler", p.scheduler, p.clusterCA, []x509.ExtKeyUsage{client}, "system:kube-scheduler", nil, nil},
		{"admin", p.admin, p.clusterCA, []x509.ExtKeyUsage{client}, "nfsim-admin", []string{"system:masters"}, nil},
		{"kubelet client", p.kubeletClient["worker2"], p.clusterCA, []x509.ExtKeyUsage{client}, "system:node:worker2", []string{"system:nodes"}, nil},
		{"kubelet serving", p.kubeletServing["worker2"], p.clusterCA, []x509.ExtKeyUsage{server}, "system:node:worker2", nil, []string{"worker2", "192.168.127.12"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tls.X509KeyPair(tc.pair.cert, tc.pair.key); err != nil {
				t.Errorf("certificate and key: %v", err)
			}
			cert := parse(t, tc.pair.cert)
			if diff := cmp.Diff(tc.usage, cert.ExtKeyUsage, cmpopts.SortSlices(func(a, b x509.ExtKeyUsage) bool { return a < b })); diff != "" {
				t.Errorf("usages (-want +got):\n%s", diff)
			}
			for _, at := range []time.Time{now.Add(-backdate + time.Minute), now, now.AddDate(lifetimeYears, 0, -1)} {
				if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(t, tc.ca), KeyUsages: tc.usage[:1], CurrentTime: at}); err != nil {
					t.Errorf("Verify at %v: %v", at, err)
				}
			}
			for _, ca := range [][]byte{p.clusterCA, p.etcdCA, p.frontProxyCA} {
				if string(ca) == string(tc.ca) {
					continue
				}
				var unknown x509.UnknownAuthorityError
				if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(t, ca), KeyUsages: tc.usage[:1]}); !errors.As(err, &unknown) {
					t.Errorf("Verify with the CA of something else: %v, want an unknown authority", err)
				}
			}
			if diff := cmp.Diff(tc.groups, cert.Subject.Organization); diff != "" || cert.Subject.CommonName != tc.cn {
				t.Errorf("subject is %v, want CN=%s with groups %v", cert.Subject, tc.cn, tc.groups)
			}
			for _, host := range tc.hosts {
				if err := cert.VerifyHostname(host); err != nil {
					t.Errorf("VerifyHostname(%s): %v", host, err)
				}
			}
			if cert.VerifyHostname("worker1") == nil {
				t.Error("the certificate is good for worker1, which it does not belong to")
			}
		})
	}
}

// TestHandshake lets an API server and a kubelet talk as the units are
// configured: both sides verify the other.
func TestHandshake(t *testing.T) {
	t.Parallel()
	p, err := makePKI(testSpec(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	load := func(pr pair) []tls.Certificate {
		cert, err := tls.X509KeyPair(pr.cert, pr.key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{cert}
	}
	for _, tc := range []struct {
		name           string
		server, client pair
		serverCA       []byte // the client's trust
		clientCA       []byte // the server's trust
		host           string
		ok             bool
	}{
		{"kubelet to API server", p.apiserver, p.kubeletClient["worker1"], p.clusterCA, p.clusterCA, "192.168.127.10", true},
		{"admin over a forwarded port", p.apiserver, p.admin, p.clusterCA, p.clusterCA, "127.0.0.1", true},
		{"API server to kubelet", p.kubeletServing["worker1"], p.apiserverKubelet, p.clusterCA, p.clusterCA, "192.168.127.11", true},
		{"API server to etcd", p.etcdServer, p.apiserverEtcd, p.etcdCA, p.etcdCA, "127.0.0.1", true},
		{"kubelet to etcd", p.etcdServer, p.kubeletClient["worker1"], p.etcdCA, p.etcdCA, "127.0.0.1", false},
		{"kubelet that poses as another", p.kubeletServing["worker1"], p.apiserverKubelet, p.clusterCA, p.clusterCA, "192.168.127.12", false},
		{"kubelet that poses as the API server", p.kubeletClient["worker1"], p.admin, p.clusterCA, p.clusterCA, "192.168.127.10", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			deadline := time.Now().Add(time.Minute)
			_, _ = near.SetDeadline(deadline), far.SetDeadline(deadline)
			served := make(chan error, 1)
			go func() {
				defer far.Close()
				served <- tls.Server(far, &tls.Config{
					Certificates: load(tc.server), ClientCAs: pool(t, tc.clientCA), ClientAuth: tls.RequireAndVerifyClientCert,
				}).Handshake()
			}()
			client := tls.Client(near, &tls.Config{
				Certificates: load(tc.client), RootCAs: pool(t, tc.serverCA), ServerName: tc.host, MaxVersion: tls.VersionTLS12,
			})
			err := client.Handshake()
			near.Close()
			if ok := errors.Join(err, <-served) == nil; ok != tc.ok {
				t.Errorf("handshake: ok is %v, want %v (%v)", ok, tc.ok, err)
			}
		})
	}
}
