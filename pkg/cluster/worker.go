package cluster

import (
	"fmt"
	"path/filepath"
)

// maxWorkers is how many pod subnets 10.244.1.0/24 and up there are.
const maxWorkers = 254

const imageArchive = "/var/lib/nfsim/images/nfsim.tar"

// podSubnet is the subnet of the n-th worker's pods, n from 1.
func podSubnet(n int) string { return fmt.Sprintf("10.244.%d.0/24", n) }

// workerFiles are what a worker has beside the common files: the container
// runtime's configuration, the images and the kubelet.
func workerFiles(s Spec, v view, p *pki, images []byte) ([]File, error) {
	files, err := renderAll([]rendered{
		{"kubelet.service", "/etc/systemd/system/kubelet.service", 0o644},
		{"kubelet-config.yaml", "/var/lib/kubelet/config.yaml", 0o644},
		{"containerd.toml", "/etc/containerd/config.toml", 0o644},
		{"cni.conflist", "/etc/cni/net.d/10-nfsim.conflist", 0o644},
		{"nfsim-images.service", "/etc/systemd/system/nfsim-images.service", 0o644},
	}, v)
	if err != nil {
		return nil, err
	}
	api := fmt.Sprintf("https://%s:6443", v.Server.Addr)
	name := v.Machine.Name
	files = append(files, p.workerFiles(name)...)
	return append(files,
		executable("/usr/bin/kubelet", filepath.Join(s.Binaries.KubeletDir, "kubelet")),
		secret("/etc/kubernetes/kubelet.conf", kubeconfig(api, "system:node:"+name, p.clusterCA, p.kubeletClient[name])),
		File{Path: imageArchive, Mode: 0o644, Content: images},
		enable("kubelet.service"),
		enable("nfsim-images.service"),
		enablePackaged("containerd.service", "multi-user.target"),
		mask("nfs-server.service"),
	), nil
}
