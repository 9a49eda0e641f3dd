package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Product is a cluster as files, and what it takes to enter it.
type Product struct {
	Access
	// Files are what each machine needs, by machine name, sorted by path.
	Files map[string][]File
}

// Build makes new keys and certificates and all files of the cluster. Every
// call makes another cluster: keep the product for as long as its machines.
// It fails with a *SpecError when the spec cannot be used.
func Build(s Spec) (*Product, error) {
	s = s.withDefaults()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	keys, err := makeSSHKeys(s)
	if err != nil {
		return nil, err
	}
	certs, err := makePKI(s, time.Now())
	if err != nil {
		return nil, err
	}
	images, err := buildImages(s)
	if err != nil {
		return nil, fmt.Errorf("build container images: %w", err)
	}
	product := &Product{
		Access: Access{
			ClientKeyPEM:   keys.client,
			HostPublicKeys: map[string]HostKey{},
			CACert:         certs.clusterCA,
			AdminCert:      certs.admin.cert,
			AdminKey:       certs.admin.key,
		},
		Files: map[string][]File{},
	}
	for _, m := range s.Machines {
		files, err := machineFiles(s, m, keys, certs, images)
		if err != nil {
			return nil, fmt.Errorf("make files of %s: %w", m.Name, err)
		}
		slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
		product.Files[m.Name] = files
		product.HostPublicKeys[m.Name] = HostKey{keys.hosts[m.Name].public}
	}
	return product, nil
}

func machineFiles(s Spec, m Machine, keys sshKeys, certs *pki, images []byte) ([]File, error) {
	v := s.view(m)
	files, err := commonFiles(v, keys, s.AgentBinary)
	if err != nil {
		return nil, err
	}
	var own []File
	if m.Role == Server {
		own, err = serverFiles(s, v, certs)
	} else {
		own, err = workerFiles(s, v, certs, images)
	}
	return append(files, own...), err
}

// view is the spec as machine m's templates see it.
func (s Spec) view(m Machine) view {
	v := view{
		Machine: m, Machines: s.Machines, Server: s.server(),
		LeaseSeconds: s.LeaseSeconds, GraceSeconds: s.GraceSeconds,
		ServiceCIDR: serviceCIDR, PKI: pkiDir,
		PauseImage: PauseImage, Images: []string{PauseImage, WorkloadImage}, ImageArchive: imageArchive,
	}
	for i, w := range s.workers() {
		if w.Name == m.Name {
			v.Subnet = podSubnet(i + 1)
		} else {
			v.Routes = append(v.Routes, route{Subnet: podSubnet(i + 1), Via: w.Addr})
		}
	}
	return v
}
