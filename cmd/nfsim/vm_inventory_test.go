//go:build vm

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/inventory"
	"github.com/nfsim/nfsim/pkg/lab/labtest"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// inventoryLab is the lab whose machines play somebody's own.
	inventoryLab = "vmtest-inventory"
	// siteUnit is what that somebody calls the kubelet's unit.
	siteUnit = "site-kubelet"
	// siteExports is where exports are to go there; nothing of it exists.
	siteExports = "/srv/site/nfs"
)

// TestVMInventory takes the machines of a running lab for somebody's own: an
// inventory of them is a lab as any other, a run there comes to the same
// words as in the built-in lab, and leaves the machines as it found them.
func TestVMInventory(t *testing.T) {
	bin, err := filepath.Abs("../../bin/nfsim")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	s := &site{vmTest: vmTest{bin: bin, dir: t.TempDir()}}
	if _, code := s.run(t, "lab", "up", "--name", inventoryLab); code != exitOK {
		t.Fatalf("lab up: exit %d", code)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := qemu.DownByName(ctx, inventoryLab); err != nil {
			t.Errorf("take the lab down: %v", err)
		}
	})
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"the built-in lab", s.builtIn},
		{"machines of one's own", s.moveIn},
		{"a host that is another", s.impostor},
		{"the same words, and all as it was", s.sameWords},
		{"conformance", s.conform},
		{"conformance of the built-in lab", s.conformBuiltIn},
	} {
		if !t.Run(part.name, part.run) {
			break
		}
	}
}

// site is somebody's own machines.
type site struct {
	vmTest
	file  string            // the inventory
	words map[string]string // of the built-in lab, by cell
}

// firstLight runs the scenarios of the first matrix and returns the words of
// each cell.
func (s *site) firstLight(t *testing.T, where ...string) map[string]string {
	t.Helper()
	out, code := s.run(t, append([]string{
		"run", "--format", "json", "--profile", "default",
		"--scenario", "close-to-open,attr-cache,kubelet-restart,force-delete-while-down,control-*",
	}, where...)...)
	if code != exitOK && code != exitNew {
		t.Fatalf("exit %d", code)
	}
	var r report.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for _, line := range append(row.Modes, row) {
				for _, c := range line.Cells {
					if c == nil {
						continue
					}
					said := []string{string(c.Status)}
					for _, w := range c.Words {
						said = append(said, string(w.Word))
					}
					words[fmt.Sprintf("%s %s %s", c.Scenario, cmp.Or(c.Mode, "-"), c.Profile)] = strings.Join(said, " ")
				}
			}
		}
	}
	return words
}

func (s *site) builtIn(t *testing.T) {
	s.words = s.firstLight(t, "--lab", "qemu", "--name", inventoryLab)
	if len(s.words) < 8 {
		t.Errorf("only %d cells: %v", len(s.words), s.words)
	}
}

// moveIn gives the machines what is their owner's, takes away what is nfsim's,
// and writes the inventory.
func (s *site) moveIn(t *testing.T) {
	if _, code := s.run(t, "lab", "restore", "--name", inventoryLab); code != exitOK {
		t.Fatalf("lab restore: exit %d", code)
	}
	l := s.attach(t)
	for _, m := range lab.Workers(l) {
		s.on(t, l, m, "ln -s /etc/systemd/system/kubelet.service /etc/systemd/system/"+siteUnit+".service && systemctl daemon-reload && sync")
	}
	// One worker has the workload image, the other has not.
	s.on(t, l, lab.Workers(l)[1], "ctr -n k8s.io images rm --sync $(ctr -n k8s.io images ls -q target.digest==$(ctr -n k8s.io images ls name=="+kube.WorkloadImage+" | awk 'NR > 1 { print $3 }'))")

	status, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(s.dir, "site")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	own := qemu.Dir(l.StateDir())
	for from, to := range map[string]string{own.SSHKey(): "id", own.KnownHosts(): "known_hosts", own.Kubeconfig(): "kubeconfig"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var text strings.Builder
	text.WriteString("name: site\nkubeconfig: kubeconfig\nssh: {key: id, known_hosts: known_hosts}\nmachines:\n")
	for _, m := range status.Machines {
		host, port, _ := strings.Cut(m.SSH, ":")
		fmt.Fprintf(&text, "- name: %s\n  role: %s\n  address: %s\n  ssh: {host: %s, port: %s}\n  disruptive: true\n", m.Name, m.Role, m.Addr, host, port)
		fmt.Fprintf(&text, "  power: %s lab reset --name %s \"$NFSIM_MACHINE\"\n", s.bin, inventoryLab)
		if m.Role == lab.Server {
			fmt.Fprintf(&text, "  export: %s\n", siteExports)
		} else {
			fmt.Fprintf(&text, "  kubelet_unit: %s\n", siteUnit)
		}
	}
	s.file = filepath.Join(home, "site.yaml")
	if err := os.WriteFile(s.file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
}

// impostor writes an inventory in which a worker has the host key of another.
func (s *site) impostor(t *testing.T) {
	known, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(known), "\n")
	_, key, _ := strings.Cut(first, " ")
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	last := strings.LastIndex(string(text), "ssh: {")
	swapped := strings.Replace(string(text[:last])+"ssh: {host_key: "+key+", "+string(text[last+len("ssh: {"):]), "name: site\n", "name: impostor\n", 1)
	file := filepath.Join(filepath.Dir(s.file), "impostor.yaml")
	if err := os.WriteFile(file, []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := inventory.Open(t.Context(), file, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wrong *sshnode.HostKeyError
	if err := l.(lab.Readiness).AwaitReady(ctx, t.Logf); !errors.As(err, &wrong) {
		t.Errorf("error %v, want a *sshnode.HostKeyError", err)
	}
}

func (s *site) sameWords(t *testing.T) {
	before := s.traces(t)
	// A run that is killed leaves a stopped kubelet, a pod, mounts and exports to
	// the run after it.
	s.killAt(t, "write and read without the kubelet", "run", "--lab", "inventory:"+s.file, "--scenario", "kubelet-restart", "--profile", "default")
	words := s.firstLight(t, "--lab", "inventory:"+s.file)
	t.Logf("words: %v", words)
	if diff := gocmp.Diff(s.words, words); diff != "" {
		t.Errorf("outcomes differ (-built-in +inventory):\n%s", diff)
	}
	if diff := gocmp.Diff(before, s.traces(t)); diff != "" {
		t.Errorf("the run left the machines otherwise than it found them (-before +after):\n%s", diff)
	}
	// It was the unit of the inventory that was stopped, and the exports were
	// where it said.
	runs, err := filepath.Glob(filepath.Join(s.dir, "runs", "*", "cells", "kubelet.kubelet-restart", "*", "*", "faults.jsonl"))
	if err != nil || !slices.ContainsFunc(runs, func(file string) bool {
		b, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(b), siteUnit+".service")
	}) {
		t.Errorf("no fault on %s in %v, %v", siteUnit, runs, err)
	}
}

// traces are what a run could leave on the machines and in the cluster.
func (s *site) traces(t *testing.T) map[string][]string {
	t.Helper()
	l := s.attach(t)
	found := map[string][]string{}
	for _, m := range l.Machines() {
		out := s.on(t, l, m, `find /srv /mnt /etc/exports.d /etc/systemd/system -printf 'file %p %l\n' 2>/dev/null
find /run/systemd/transient -name 'nfsim*' 2>/dev/null
exportfs -s 2>/dev/null
nft list tables 2>/dev/null
grep -E ' (nfs|nfs4|ext4) ' /proc/self/mountinfo
losetup -n -l -O NAME,BACK-FILE 2>/dev/null
ls -d /var/lib/kubelet/pods/* 2>/dev/null
for i in $(ctr -n k8s.io images ls -q 2>/dev/null); do echo image $i; done
systemctl list-units --plain --no-legend --all 'nfsim-undo-*'
true`)
		found[m.Name] = strings.Split(out, "\n")
		slices.Sort(found[m.Name])
	}
	config, err := l.Kubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := client.Ledger(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for kind, entries := range ledger {
		found[kind] = entries
	}
	namespaces, err := client.API().CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range namespaces.Items {
		found["namespaces"] = append(found["namespaces"], n.Name)
	}
	return found
}

func (s *site) conform(t *testing.T) {
	l, err := inventory.Open(t.Context(), s.file, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := l.(lab.Power); !ok {
		t.Error("every machine has a power command, and the lab has no power")
	}
	labtest.Conform(t.Context(), t, l)
}

// conformBuiltIn comes last: it restores the lab, and with it the machines are
// nobody's own any more.
func (s *site) conformBuiltIn(t *testing.T) { labtest.Conform(t.Context(), t, s.attach(t)) }

func (s *site) attach(t *testing.T) *qemu.Lab {
	t.Helper()
	l, err := qemu.Attach(t.Context(), inventoryLab)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (s *site) on(t *testing.T, l lab.Lab, m lab.Machine, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node, err := l.Node(ctx, m.Name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.Output(ctx, command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
