package lab

import (
	"cmp"
	"strings"
)

// DefaultKubeletUnit is the kubelet's systemd unit, as packages name it.
const DefaultKubeletUnit = "kubelet.service"

// Kubelet is the systemd unit of a worker's kubelet, with its suffix.
func (m Machine) Kubelet() string {
	unit := cmp.Or(m.KubeletUnit, DefaultKubeletUnit)
	if !strings.HasSuffix(unit, ".service") {
		unit += ".service"
	}
	return unit
}

// Runtime is where a worker's kubelet has its containerd.
type Runtime struct {
	Ctr   []string // command that speaks to it, in Kubernetes' namespace
	State string   // directory of its running tasks, one for each container
}

// Runtime is that of the distribution that the kubelet's unit belongs to: k3s
// and RKE2 bring a containerd of their own, and ctr(8) with it
// (https://docs.k3s.io/cli, https://docs.rke2.io/reference/cli_tools).
func (m Machine) Runtime() Runtime {
	const tasks = "/io.containerd.runtime.v2.task/k8s.io"
	switch unit := m.Kubelet(); {
	case strings.HasPrefix(unit, "k3s"):
		return Runtime{Ctr: []string{"k3s", "ctr", "--namespace", "k8s.io"}, State: "/run/k3s/containerd" + tasks}
	case strings.HasPrefix(unit, "rke2-"):
		return Runtime{
			Ctr:   []string{"/var/lib/rancher/rke2/bin/ctr", "--address", "/run/k3s/containerd/containerd.sock", "--namespace", "k8s.io"},
			State: "/run/k3s/containerd" + tasks,
		}
	}
	return Runtime{Ctr: []string{"ctr", "--namespace", "k8s.io"}, State: "/run/containerd" + tasks}
}
