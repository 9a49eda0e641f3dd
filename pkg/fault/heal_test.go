package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// The environment of the process that is to be killed.
const (
	crashMachine = "NFSIM_TEST_MACHINE" // directory of the machine
	crashState   = "NFSIM_TEST_STATE"   // directory of the journal
	crashAt      = "NFSIM_TEST_CRASH"   // number of the command at which it dies
	crashAfter   = "NFSIM_TEST_AFTER"   // "1": after the command, not before it
)

// TestCrash kills a process with SIGKILL before and after each command that it
// sends between the start of Inject and the end of Heal. What HealAll then
// finds must always become whole.
func TestCrash(t *testing.T) {
	if os.Getenv(crashMachine) != "" {
		crash(t)
		return
	}
	t.Parallel()
	survived := false
	for at := 0; !survived; at++ {
		if at > 20 {
			t.Fatal("the process never came to its end")
		}
		for _, after := range []string{"0", "1"} {
			m := newMachine(t, t.TempDir(), nil)
			state := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrash$")
			c.Env = append(os.Environ(), crashMachine+"="+m.Dir, crashState+"="+state, crashAt+"="+strconv.Itoa(at), crashAfter+"="+after)
			out, err := c.CombinedOutput()
			cancel()
			var exit *exec.ExitError
			switch {
			case err == nil:
				survived = true
			case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
			default:
				t.Fatalf("command %d, after %s: %v\n%s", at, after, err, out)
			}
			j := newJournal(t, state)
			was := open(t, j)
			if (m.Exists("broken") || m.armed(t)) && len(was) == 0 {
				t.Errorf("command %d, after %s: the machine is broken and the journal does not know", at, after)
			}
			report, err := HealAll(t.Context(), j, Reach{Nodes: m.nodes(t)}, nil)
			if err != nil || len(report) != len(was) {
				t.Errorf("command %d, after %s: %+v, %v", at, after, report, err)
			}
			if m.Exists("broken") || m.armed(t) || len(open(t, j)) != 0 {
				t.Errorf("command %d, after %s: something is left", at, after)
			}
		}
	}
}

// crash injects and heals, and dies on the way.
func crash(t *testing.T) {
	at, err := strconv.Atoi(os.Getenv(crashAt))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	m := newMachine(t, os.Getenv(crashMachine), func(shell sshtest.Handler) sshtest.Handler {
		return func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
			mu.Lock()
			defer mu.Unlock()
			dies := n == at
			n++
			if dies && os.Getenv(crashAfter) == "0" {
				die(t)
			}
			code := shell(cmd, stdin, stdout, stderr)
			if dies {
				die(t)
			}
			return code
		}
	})
	active, err := NewInjector(newJournal(t, os.Getenv(crashState)), Reach{Nodes: m.nodes(t)}, nil).Inject(t.Context(), m.breakage("f1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func die(t *testing.T) {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {} // the signal is on its way
}

func TestHealAllNewestFirst(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	for i := range 3 {
		if err := j.append(Entry{Event: EventOpen, ID: fmt.Sprint(i), Machine: "worker1", Undo: fmt.Sprintf("echo %d >> %s/order\n", i, m.Dir)}); err != nil {
			t.Fatal(err)
		}
	}
	// A reset has nothing to undo.
	if err := j.append(Entry{Event: EventOpen, ID: "reset", Machine: "worker2"}); err != nil {
		t.Fatal(err)
	}
	report, err := HealAll(t.Context(), j, Reach{Nodes: m.nodes(t)}, t.Logf)
	if err != nil || len(report) != 4 {
		t.Fatalf("%+v, %v", report, err)
	}
	if diff := cmp.Diff("2\n1\n0\n", m.Read(t, "order")); diff != "" {
		t.Error(diff)
	}
}

func TestHealAllGoesOnPastAMachineThatIsGone(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	for _, machine := range []string{"worker1", "gone", "worker2"} {
		err := j.append(Entry{
			Event: EventOpen, ID: machine, Machine: machine, Undo: "touch " + m.Dir + "/healed-" + machine + "\n",
			HealWithin: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	up := m.nodes(t)
	down := errors.New("no route to host")
	nodes := func(ctx context.Context, machine string) (*sshnode.Node, error) {
		if machine == "gone" {
			return nil, down
		}
		return up(ctx, machine)
	}
	report, err := HealAll(t.Context(), j, Reach{Nodes: nodes}, t.Logf)
	if !errors.Is(err, down) || len(report) != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if !m.Exists("healed-worker1") || !m.Exists("healed-worker2") {
		t.Error("a machine that is up was not healed")
	}
	if diff := cmp.Diff([]string{"gone"}, open(t, j)); diff != "" {
		t.Error(diff)
	}
}

func TestHealAllConcurrent(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	state := t.TempDir()
	j := newJournal(t, state)
	// An undo that notices another beside it.
	undo := fmt.Sprintf("mkdir %[1]s/undoing || { touch %[1]s/twice; exit 1; }\necho x >> %[1]s/undone\nrmdir %[1]s/undoing\n", m.Dir)
	for i := range 3 {
		if err := j.append(Entry{Event: EventOpen, ID: fmt.Sprint(i), Machine: "worker1", Undo: undo}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 3 {
		own := newJournal(t, state)
		nodes := m.nodes(t)
		wg.Go(func() {
			report, err := HealAll(t.Context(), own, Reach{Nodes: nodes}, nil)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += len(report)
		})
	}
	wg.Wait()
	if total != 3 || m.Exists("twice") || m.Read(t, "undone") != "x\nx\nx\n" {
		t.Errorf("%d healed, undone %q", total, m.Read(t, "undone"))
	}
}

func TestHealAllWaitsWithADeadline(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	unlock, err := j.lockHealing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := HealAll(ctx, j, Reach{Nodes: m.nodes(t)}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := HealAll(t.Context(), j, Reach{Nodes: m.nodes(t)}, nil); err != nil {
		t.Error(err)
	}
}

// TestTaint is a fault at the API server: nothing of it is on the machine, and
// HealAll after a crash takes the taint off all the same.
func TestTaint(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	taint := corev1.Taint{Key: "node.kubernetes.io/out-of-service", Value: "run", Effect: "NoExecute"}
	tainted, asked := false, []corev1.Taint(nil)
	reach := Reach{Nodes: m.nodes(t), Untaint: func(_ context.Context, node string, off corev1.Taint) (string, error) {
		asked = append(asked, off)
		tainted = false
		return node + " has no taint", nil
	}}
	spec := Spec{
		ID: "f1", Name: "out-of-service-taint", Machine: "worker1", Untaint: &taint,
		Do: func(context.Context) error { tainted = true; return nil },
		Seen: func(context.Context) (string, error) {
			if !tainted {
				return "", errors.New("no taint")
			}
			return "tainted", nil
		},
	}
	active, err := NewInjector(j, reach, t.Logf).Inject(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if !tainted || m.armed(t) || len(open(t, j)) != 1 {
		t.Errorf("tainted %v, armed %v, open %v", tainted, m.armed(t), open(t, j))
	}
	if undo := active.Record().Undo; undo != "kubectl taint node worker1 node.kubernetes.io/out-of-service:NoExecute-" {
		t.Errorf("undo %q", undo)
	}

	// Without an API server it stays open.
	if _, err := HealAll(t.Context(), j, Reach{Nodes: m.nodes(t)}, t.Logf); err == nil || len(open(t, j)) != 1 {
		t.Errorf("healed without an API server: %v, open %v", err, open(t, j))
	}
	report, err := HealAll(t.Context(), j, reach, t.Logf)
	if err != nil || len(report) != 1 || report[0].Proof != "worker1 has no taint" {
		t.Errorf("%+v, %v", report, err)
	}
	if diff := cmp.Diff([]corev1.Taint{taint}, asked); diff != "" || tainted || len(open(t, j)) != 0 {
		t.Errorf("tainted %v, open %v, asked (-want +got):\n%s", tainted, open(t, j), diff)
	}
	if err := active.Heal(t.Context()); err != nil || active.Record().HealedAt == 0 {
		t.Errorf("heal after another has healed: %v, %+v", err, active.Record())
	}
}

func TestTaintRefused(t *testing.T) {
	t.Parallel()
	do := func(context.Context) error { return nil }
	for _, spec := range []Spec{
		{Name: "x", Machine: "m", Prove: "true", Inject: "true", Undo: "true", Untaint: &corev1.Taint{Key: "k", Effect: "NoExecute"}},
		{Name: "x", Machine: "m", Prove: "true", Do: do, Undo: "true", Untaint: &corev1.Taint{Key: "k", Effect: "NoExecute"}},
		{Name: "x", Machine: "m", Prove: "true", Do: do, Untaint: &corev1.Taint{Key: "k"}},
		{Name: "x", Machine: "m", Prove: "true", Do: do, Untaint: &corev1.Taint{Effect: "NoExecute"}},
	} {
		if _, err := spec.withDefaults(); err == nil {
			t.Errorf("%+v was not refused", spec)
		}
	}
}
