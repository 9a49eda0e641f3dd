package vagrant

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
)

// fake puts a vagrant command on the PATH that prints what the test wants.
func fake(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vagrant"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

// seeded makes a directory as `vagrant up` would leave it.
func seeded(t *testing.T) string {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	for _, name := range []string{"etcd", "kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Vagrantfile"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := WriteSeed(filepath.Join(dir, StateDirName), cluster.Spec{
		Machines: []cluster.Machine{
			{Name: "server", Role: cluster.Server, Addr: "192.168.56.10"},
			{Name: "worker1", Role: cluster.Worker, Addr: "192.168.56.11"},
			{Name: "worker2", Role: cluster.Worker, Addr: "192.168.56.12"},
		},
		Kubernetes: "v1.36.3", Kubelet: "v1.34.4", AgentBinary: []byte("agent"),
		Binaries: cluster.Binaries{ControlPlaneDir: bin, KubeletDir: bin, EtcdDir: bin},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSeedIsClosedToOthers(t *testing.T) {
	t.Parallel()
	state := filepath.Join(seeded(t), StateDirName)
	err := filepath.WalkDir(state, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	running := `echo 1,server,state,running; echo 1,worker1,state,running; echo 1,worker2,state,running`
	tests := map[string]struct {
		script string
		dir    func(t *testing.T) string
		want   string
	}{
		"no Vagrantfile": {running, func(t *testing.T) string { return t.TempDir() }, "no Vagrantfile"},
		"not provisioned": {running, func(t *testing.T) string {
			dir := seeded(t)
			if err := os.Remove(filepath.Join(dir, StateDirName, labFile)); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "vagrant up"},
		"down":           {"echo 1,server,state,running; echo 1,worker1,state,shutoff", seeded, "worker1 is shutoff, worker2 is unknown to the Vagrantfile"},
		"unknown login":  {running + "; [ $1 = status ] || printf 'Host server\\n HostName x\\n User u\\n'", seeded, "worker1"},
		"another access": {running + "; [ $1 = status ] || printf 'Host server\\n ProxyCommand x\\n'", seeded, "inventory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fake(t, tt.script)
			_, err := Open(t.Context(), tt.dir(t))
			var usage *lab.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a *lab.UsageError with %q", err, tt.want)
			}
		})
	}
}

func TestOpenWithoutVagrant(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Open(t.Context(), seeded(t))
	var usage *lab.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "apt-get install vagrant") {
		t.Errorf("error %v", err)
	}
}

func TestOpen(t *testing.T) {
	fake(t, `case $1 in
status) for m in server worker1 worker2; do echo 1,$m,state,running; done ;;
ssh-config) for m in server worker1 worker2; do printf 'Host %s\n HostName 127.0.0.1\n User vagrant\n IdentityFile /k\n' $m; done ;;
esac`)
	dir := seeded(t)
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Provider() != "vagrant" || len(lab.Workers(l)) != 2 || lab.ServerOf(l).Addr != "192.168.56.10" {
		t.Errorf("lab %s %+v", l.Provider(), l.Machines())
	}
	if _, ok := l.(lab.Power); !ok {
		t.Error("no power switch")
	}
	if Here(dir) {
		t.Error("Here without machines that Vagrant has made")
	}
}

func TestCommandKeepsItsLastWords(t *testing.T) {
	fake(t, "echo bad news >&2; exit 3")
	_, err := command(t.Context(), askTimeout, t.TempDir(), "vagrant", "status")
	var infra *lab.InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "bad news") {
		t.Errorf("error %v", err)
	}
	fake(t, "head -c 3000000 /dev/zero")
	if _, err := command(t.Context(), askTimeout, t.TempDir(), "vagrant", "status"); !errors.As(err, &infra) {
		t.Errorf("endless output: %v", err)
	}
}
