package lab_test

import (
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestKubeletAndRuntime(t *testing.T) {
	t.Parallel()
	for unit, want := range map[string][3]string{
		"":             {"kubelet.service", "ctr", "/run/containerd/io.containerd.runtime.v2.task/k8s.io"},
		"kubelet":      {"kubelet.service", "ctr", "/run/containerd/io.containerd.runtime.v2.task/k8s.io"},
		"k3s-agent":    {"k3s-agent.service", "k3s ctr", "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io"},
		"k3s.service":  {"k3s.service", "k3s ctr", "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io"},
		"rke2-agent":   {"rke2-agent.service", "/var/lib/rancher/rke2/bin/ctr --address /run/k3s/containerd/containerd.sock", "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io"},
		"my-kubelet@1": {"my-kubelet@1.service", "ctr", "/run/containerd/io.containerd.runtime.v2.task/k8s.io"},
	} {
		m := lab.Machine{KubeletUnit: unit}
		r := m.Runtime()
		if got := [3]string{m.Kubelet(), strings.TrimSuffix(strings.Join(r.Ctr, " "), " --namespace k8s.io"), r.State}; got != want {
			t.Errorf("unit %q: %q, want %q", unit, got, want)
		}
	}
}
