package fault

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// startProcess runs a process that stands for a unit's main process.
func startProcess(t *testing.T, m *machine, unit string) (pid int, ended <-chan error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	m.Write(t, "units/"+unit, "active\n", 0o644)
	m.Write(t, "units/"+unit+".pid", strconv.Itoa(c.Process.Pid)+"\n", 0o644)
	return c.Process.Pid, done
}

func TestKubeletStop(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	startProcess(t, m, "kubelet.service")
	active, err := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), KubeletStop("worker1", "kubelet.service"))
	if err != nil {
		t.Fatal(err)
	}
	if got := active.Record().Proof; got != "ActiveState=inactive MainPID=0" {
		t.Errorf("proof %q", got)
	}
	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := active.Record().ProofUndone; !strings.HasPrefix(got, "ActiveState=active MainPID=") {
		t.Errorf("proof of the undo %q", got)
	}
}

func TestKubeletKill(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	_, ended := startProcess(t, m, "kubelet.service")
	active, err := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), KubeletKill("worker1", "kubelet.service"))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process ended with %v", err)
	}
	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.Exists(note(active.Record().ID)) {
		t.Error("the note is left")
	}
}

func TestKubeletKillNeedsAProcess(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	m.Write(t, "units/kubelet.service", "failed\n", 0o644)
	spec := KubeletKill("worker1", "kubelet.service")
	spec.HealWithin = time.Second
	_, err := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "no main process (ActiveState=failed)") {
		t.Errorf("error %v", err)
	}
}

func TestKubeletFreeze(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	pid, _ := startProcess(t, m, "kubelet.service")
	state := func() string {
		out, err := exec.CommandContext(t.Context(), "sed", "-n", "s/^State:[[:space:]]*//p", fmt.Sprintf("/proc/%d/status", pid)).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	inj := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf)
	active, err := inj.Inject(t.Context(), KubeletFreeze("worker1", "kubelet.service"))
	if err != nil {
		t.Fatal(err)
	}
	if got := state(); got != "T (stopped)" {
		t.Errorf("state %q", got)
	}
	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(); got == "T (stopped)" {
		t.Errorf("state after healing %q", got)
	}
	// The proof must not hold for a process that runs.
	spec := KubeletFreeze("worker1", "kubelet.service")
	spec.Inject = noteMainPID(spec.ID, "kubelet.service")
	spec.ProveWithin = 300 * time.Millisecond
	if _, err := inj.Inject(t.Context(), spec); err == nil {
		t.Error("a process that runs was proven frozen")
	}
}

func TestNFSServerFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		spec  Spec
		proof string
	}{
		{NFSStop("server"), "ActiveState=inactive threads=0"},
		{NFSRestart("server"), "active since 200 us, before 100 us"},
		{NFSThreadsZero("server"), "threads=0"},
		{NFSHold("server"), "nfs-server.service is masked"},
	} {
		t.Run(tc.spec.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			m := newMachine(t, dir, func(shell sshtest.Handler) sshtest.Handler {
				return func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
					return shell(strings.ReplaceAll(cmd, "/proc/fs/nfsd", dir+"/nfsd"), stdin, stdout, stderr)
				}
			})
			m.Write(t, "units/"+NFSServerUnit, "active\n", 0o644)
			m.Write(t, "nfsd/threads", "8\n", 0o644)
			m.Write(t, "since", "100\n", 0o644)
			m.Write(t, "systemctl.sh", `case "$*" in
"stop nfs-server"*) echo 0 > $DIR/nfsd/threads;;
"start nfs-server"*) echo 8 > $DIR/nfsd/threads;;
"restart nfs-server"*) echo 8 > $DIR/nfsd/threads; echo 200 > $DIR/since;;
"mask nfs-server"*) touch $DIR/masked;;
"unmask nfs-server"*) rm $DIR/masked;;
"is-enabled nfs-server"*) if [ -e $DIR/masked ]; then echo masked; exit 1; fi; echo enabled; exit;;
*ActiveEnterTimestampMonotonic*) cat $DIR/since; exit;;
esac
`, 0o644)
			active, err := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			if got := active.Record().Proof; got != tc.proof {
				t.Errorf("proof %q", got)
			}
			if err := active.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := active.Record().ProofUndone; got != "ActiveState=active threads=8" {
				t.Errorf("proof of the undo %q", got)
			}
		})
	}
}
