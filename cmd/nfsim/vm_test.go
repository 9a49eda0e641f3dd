//go:build vm

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// vmLab is the lab that the tests on real machines make and remove.
const vmLab = "vmtest"

// TestVM drives the built command on real virtual machines, as a user would:
// a run that is killed, the heal after it, the run after that, and its record
// judged again. The parts build on each other.
func TestVM(t *testing.T) {
	bin, err := filepath.Abs("../../bin/nfsim")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	v := &vmTest{bin: bin, dir: t.TempDir()}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := qemu.DownByName(ctx, vmLab); err != nil {
			var notUp *qemu.NotUpError
			if !errors.As(err, &notUp) {
				t.Errorf("take the lab down: %v", err)
			}
		}
	})
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"a killed run takes its machines along", v.killedRunLeavesNothing},
		{"heal puts back what a killed run broke", v.healAfterKill},
		{"a run after it prints a true matrix", v.matrix},
		{"check needs no lab and says the same", v.checkAgain},
	} {
		if !t.Run(part.name, part.run) {
			break
		}
	}
}

type vmTest struct {
	bin, dir string
	recorded string // run directory of the matrix
}

// run executes nfsim to its end and returns what it printed and its exit code.
func (v *vmTest) run(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), v.bin, args...)
	cmd.Dir = v.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, t.Output()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("nfsim %s: exit %d\n%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// killAt starts nfsim and kills it with SIGKILL once its progress says word.
func (v *vmTest) killAt(t *testing.T, word string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), v.bin, args...)
	cmd.Dir = v.dir
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := false
	lines := bufio.NewScanner(progress)
	for !said && lines.Scan() {
		t.Log(lines.Text())
		said = strings.Contains(lines.Text(), word)
	}
	if err := cmd.Process.Kill(); err != nil && said {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !said {
		t.Fatalf("nfsim ended by itself (%v) before it said %q", err, word)
	}
}

func (v *vmTest) status(t *testing.T) qemu.Status {
	t.Helper()
	dir, err := qemu.DirOf(vmLab)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dir.ReadStatus()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (v *vmTest) killedRunLeavesNothing(t *testing.T) {
	v.killAt(t, ": connect agents", "run", "--name", vmLab, "--scenario", "close-to-open", "--profile", "default")
	s := v.status(t)
	if len(s.Machines) != 3 {
		t.Fatalf("the lab had %d machines", len(s.Machines))
	}
	pids := []int{s.KeeperPID}
	for _, m := range s.Machines {
		pids = append(pids, m.PID)
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, pid := range pids {
		for pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d outlived the run that owned it", pid)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (v *vmTest) healAfterKill(t *testing.T) {
	if _, code := v.run(t, "lab", "up", "--name", vmLab); code != exitOK {
		t.Fatalf("lab up: exit %d", code)
	}
	v.killAt(t, "write and read without the kubelet", "run", "--name", vmLab, "--scenario", "kubelet-restart", "--profile", "default")
	kubelets := func() string {
		var all []string
		for _, worker := range []string{"worker1", "worker2"} {
			out, _ := v.run(t, "lab", "ssh", "--name", vmLab, worker, "systemctl", "is-active", "kubelet")
			all = append(all, strings.TrimSpace(out))
		}
		return strings.Join(all, " ")
	}
	if got := kubelets(); !strings.Contains(got, "inactive") {
		t.Fatalf("kubelets after the kill: %s; one should be stopped", got)
	}
	out, code := v.run(t, "heal", "--name", vmLab)
	if code != exitOK || !strings.Contains(out, "kubelet-stop") {
		t.Fatalf("heal: exit %d, %q", code, out)
	}
	if got := kubelets(); got != "active active" {
		t.Fatalf("kubelets after heal: %s", got)
	}
	v.healMountAfterKill(t)
}

// healMountAfterKill kills a run that has a file system mounted on the server,
// exported and open on clients.
func (v *vmTest) healMountAfterKill(t *testing.T) {
	v.killAt(t, "write twice within a second", "run", "--name", vmLab, "--scenario", "close-to-open", "--profile", "default")
	loops := func() string {
		out, _ := v.run(t, "lab", "ssh", "--name", vmLab, "server", "losetup -n -l -O BACK-FILE; grep -c coarse /proc/self/mountinfo; exportfs -s | grep -c coarse")
		return strings.Join(strings.Fields(out), " ")
	}
	if got := loops(); !strings.Contains(got, "-coarse.img") {
		t.Fatalf("after the kill the server has the loop devices %q; one should be there", got)
	}
	out, code := v.run(t, "heal", "--name", vmLab)
	if code != exitOK || !strings.Contains(out, "coarse-fs") {
		t.Fatalf("heal: exit %d, %q", code, out)
	}
	if got, want := loops(), "0 0"; got != want {
		t.Errorf("after heal the server has %q, want %q: no loop device, mount or export", got, want)
	}
}

func (v *vmTest) matrix(t *testing.T) {
	out, code := v.run(t, "run", "--name", vmLab, "--format", "json",
		"--scenario", "close-to-open,kubelet-restart,force-delete-while-down", "--profile", "default,v3")
	if code != exitOK && code != exitNew {
		t.Fatalf("exit %d", code)
	}
	var r report.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	v.recorded = filepath.Join(v.dir, r.Dir)
	if filepath.IsAbs(r.Dir) {
		v.recorded = r.Dir
	}
	cells := 0
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for _, c := range row.Cells {
				if c == nil { // controls run with one profile
					continue
				}
				cells++
				want := []rundir.Status{rundir.StatusExpected, rundir.StatusNew}
				if strings.Contains(row.Scenario, "control-") {
					want = []rundir.Status{rundir.StatusCaught}
				}
				if !slices.Contains(want, c.Status) {
					t.Errorf("%s x %s is %s, want one of %v", c.Scenario, c.Profile, c.Status, want)
				}
			}
		}
	}
	controls := 0 // of the families that ran, and those of the mounts that all share
	for _, sc := range scenarios.List() {
		if sc.Control && sc.Family != scenarios.FamilyShare {
			controls++
		}
	}
	if want := 3*2 + controls; cells != want {
		t.Errorf("the matrix has %d cells, want %d: 3 scenarios x 2 profiles, and a control each", cells, want)
	}
}

func (v *vmTest) checkAgain(t *testing.T) {
	if _, code := v.run(t, "lab", "down", "--name", vmLab); code != exitOK {
		t.Fatalf("lab down: exit %d", code)
	}
	index := filepath.Join(v.recorded, "index.json")
	before, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if _, code := v.run(t, "check", v.recorded); code != exitOK && code != exitNew {
		t.Fatalf("check: exit %d", code)
	}
	after, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("judged again, the verdicts differ (-first +second):\n%s", diff)
	}
}
