package cluster

import (
	"path/filepath"
	"strings"
)

// disabledControllers are those of the controller manager that no scenario
// needs and that cost start-up time and wake-ups on an emulated processor.
// What acts on pods, volumes, claims, nodes, taints, owners and disruption
// budgets stays as it is by default. All names are known from v1.29 to v1.36
// (cmd/kube-controller-manager/names/controller_names.go).
func disabledControllers() []string {
	return []string{
		"certificatesigningrequest-approving-controller",
		"certificatesigningrequest-cleaner-controller",
		"certificatesigningrequest-signing-controller",
		"clusterrole-aggregation-controller",
		"cronjob-controller",
		"endpointslice-mirroring-controller",
		"horizontal-pod-autoscaler-controller",
		"legacy-serviceaccount-token-cleaner-controller",
		"persistentvolume-expander-controller",
		"replicationcontroller-controller",
		"resourcequota-controller",
		"ttl-after-finished-controller",
	}
}

// serverFiles are what the server machine has beside the common files: the
// control plane and the NFS server.
func serverFiles(s Spec, v view, p *pki) ([]File, error) {
	v.Disabled = "-" + strings.Join(disabledControllers(), ",-")
	files, err := renderAll([]rendered{
		{"etcd.service", "/etc/systemd/system/etcd.service", 0o644},
		{"kube-apiserver.service", "/etc/systemd/system/kube-apiserver.service", 0o644},
		{"kube-apiserver-ready.service", "/etc/systemd/system/kube-apiserver-ready.service", 0o644},
		{"await-apiserver", "/usr/local/lib/nfsim/await-apiserver", 0o755},
		{"kube-controller-manager.service", "/etc/systemd/system/kube-controller-manager.service", 0o644},
		{"kube-scheduler.service", "/etc/systemd/system/kube-scheduler.service", 0o644},
		{"nfs-server-order.conf", "/etc/systemd/system/nfs-server.service.d/nfsim.conf", 0o644},
		{"exports", "/etc/exports", 0o644},
	}, v)
	if err != nil {
		return nil, err
	}
	files = append(files, p.serverFiles()...)
	for _, name := range controlPlaneCommands() {
		files = append(files, executable("/usr/local/bin/"+name, filepath.Join(s.Binaries.ControlPlaneDir, name)))
	}
	local := "https://127.0.0.1:6443"
	return append(files,
		executable("/usr/local/bin/etcd", filepath.Join(s.Binaries.EtcdDir, "etcd")),
		secret("/etc/kubernetes/controller-manager.conf", kubeconfig(local, "controller-manager", p.clusterCA, p.controllerManager)),
		secret("/etc/kubernetes/scheduler.conf", kubeconfig(local, "scheduler", p.clusterCA, p.scheduler)),
		directory("/var/lib/etcd", 0o700),
		directory("/srv/nfsim", 0o755),
		enable("etcd.service"),
		enable("kube-apiserver.service"),
		enable("kube-apiserver-ready.service"),
		enable("kube-controller-manager.service"),
		enable("kube-scheduler.service"),
		enablePackaged("nfs-server.service", "multi-user.target"),
		mask("containerd.service"),
		mask("kubelet.service"),
	), nil
}
