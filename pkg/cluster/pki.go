package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

const (
	serviceCIDR       = "10.96.0.0/16"
	kubernetesService = "10.96.0.1" // first address of serviceCIDR, taken by the API server
	pkiDir            = "/etc/kubernetes/pki"
)

// pki holds all certificates of one cluster.
type pki struct {
	clusterCA, etcdCA, frontProxyCA []byte

	apiserver, apiserverKubelet, apiserverEtcd pair
	etcdServer, etcdPeer, frontProxy           pair
	controllerManager, scheduler, admin        pair
	kubeletClient, kubeletServing              map[string]pair

	serviceAccountKey    Secret
	serviceAccountPublic []byte
}

// makePKI signs everything with three authorities, because an authority that
// one component trusts for one purpose must not open another: a node's
// certificate is no key to etcd, and no proof of being the front proxy.
func makePKI(s Spec, now time.Time) (*pki, error) {
	ca, err := newAuthority("nfsim-cluster-ca", now)
	if err != nil {
		return nil, err
	}
	etcdCA, err := newAuthority("nfsim-etcd-ca", now)
	if err != nil {
		return nil, err
	}
	frontProxyCA, err := newAuthority("nfsim-front-proxy-ca", now)
	if err != nil {
		return nil, err
	}
	p := &pki{
		clusterCA: ca.pem, etcdCA: etcdCA.pem, frontProxyCA: frontProxyCA.pem,
		kubeletClient: map[string]pair{}, kubeletServing: map[string]pair{},
	}
	server := s.server()
	local := []string{server.Name, "localhost", server.Addr, "127.0.0.1"}
	apiHosts := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", kubernetesService,
	}, local...)

	type request struct {
		into    *pair
		from    *authority
		subject subject
	}
	requests := []request{
		{&p.apiserver, ca, subject{name: "kube-apiserver", hosts: apiHosts, server: true}},
		{&p.apiserverKubelet, ca, subject{name: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}, client: true}},
		{&p.controllerManager, ca, subject{name: "system:kube-controller-manager", client: true}},
		{&p.scheduler, ca, subject{name: "system:kube-scheduler", client: true}},
		{&p.admin, ca, subject{name: "nfsim-admin", groups: []string{"system:masters"}, client: true}},
		{&p.etcdServer, etcdCA, subject{name: "etcd", hosts: local, server: true, client: true}},
		{&p.etcdPeer, etcdCA, subject{name: "etcd-peer", hosts: local, server: true, client: true}},
		{&p.apiserverEtcd, etcdCA, subject{name: "kube-apiserver-etcd-client", client: true}},
		{&p.frontProxy, frontProxyCA, subject{name: "front-proxy-client", client: true}},
	}
	for _, r := range requests {
		if *r.into, err = r.from.issue(r.subject); err != nil {
			return nil, err
		}
	}
	for _, m := range s.workers() {
		user := "system:node:" + m.Name
		if p.kubeletClient[m.Name], err = ca.issue(subject{name: user, groups: []string{"system:nodes"}, client: true}); err != nil {
			return nil, err
		}
		if p.kubeletServing[m.Name], err = ca.issue(subject{name: user, hosts: []string{m.Name, m.Addr}, server: true}); err != nil {
			return nil, err
		}
	}
	if err := p.makeServiceAccountKey(); err != nil {
		return nil, fmt.Errorf("make service account key: %w", err)
	}
	return p, nil
}

func (p *pki) makeServiceAccountKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if p.serviceAccountKey, err = keyPEM(key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	p.serviceAccountPublic = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return nil
}

// serverFiles are the certificates and keys of the control plane.
func (p *pki) serverFiles() []File {
	files := []File{
		directory(pkiDir, 0o700),
		{Path: pkiDir + "/ca.crt", Mode: 0o644, Content: p.clusterCA},
		{Path: pkiDir + "/etcd-ca.crt", Mode: 0o644, Content: p.etcdCA},
		{Path: pkiDir + "/front-proxy-ca.crt", Mode: 0o644, Content: p.frontProxyCA},
		{Path: pkiDir + "/sa.pub", Mode: 0o644, Content: p.serviceAccountPublic},
		secret(pkiDir+"/sa.key", p.serviceAccountKey),
	}
	for name, issued := range map[string]pair{
		"apiserver":                p.apiserver,
		"apiserver-kubelet-client": p.apiserverKubelet,
		"apiserver-etcd-client":    p.apiserverEtcd,
		"etcd-server":              p.etcdServer,
		"etcd-peer":                p.etcdPeer,
		"front-proxy-client":       p.frontProxy,
	} {
		files = append(files, issued.files(name)...)
	}
	return files
}

// workerFiles are the certificates and keys of one kubelet; its client
// certificate is inside its kubeconfig.
func (p *pki) workerFiles(machine string) []File {
	files := []File{
		directory(pkiDir, 0o700),
		{Path: pkiDir + "/ca.crt", Mode: 0o644, Content: p.clusterCA},
	}
	return append(files, p.kubeletServing[machine].files("kubelet-serving")...)
}

func (p pair) files(name string) []File {
	return []File{
		{Path: pkiDir + "/" + name + ".crt", Mode: 0o644, Content: p.cert},
		secret(pkiDir+"/"+name+".key", p.key),
	}
}
