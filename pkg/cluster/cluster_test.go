package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

// testSpec is a lab of three whose binaries are a few bytes each.
func testSpec(t *testing.T) Spec {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(controlPlaneCommands(), "kubelet", "etcd", "busybox") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("binary of "+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Spec{
		Machines: []Machine{
			{Name: "server", Role: Server, Addr: "192.168.127.10"},
			{Name: "worker1", Role: Worker, Addr: "192.168.127.11"},
			{Name: "worker2", Role: Worker, Addr: "192.168.127.12"},
		},
		Kubernetes: "v1.36.3", Kubelet: "v1.36.3", Debian: "13", Arch: "amd64",
		Binaries:    Binaries{ControlPlaneDir: dir, KubeletDir: dir, EtcdDir: dir},
		AgentBinary: []byte("binary of the agent"),
		BusyboxPath: filepath.Join(dir, "busybox"),
	}
}

func build(t *testing.T, s Spec) *Product {
	t.Helper()
	p, err := Build(s)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return p
}

// content is the content of one file of a machine.
func content(t *testing.T, p *Product, machine, path string) []byte {
	t.Helper()
	for _, f := range p.Files[machine] {
		if f.Path == path {
			return f.Content
		}
	}
	t.Fatalf("%s has no %s", machine, path)
	return nil
}
