package fault

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

func TestEndProcesses(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	nodes := m.nodes(t)
	node := func(ctx context.Context) (*sshnode.Node, error) { return nodes(ctx, "worker1") }
	start := func() (Process, *exec.Cmd) {
		t.Helper()
		c := exec.CommandContext(t.Context(), "sleep", "600")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		n, err := node(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, err := ReadProcess(t.Context(), n, c.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return p, c
	}
	one, first := start()
	two, second := start()
	injector := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: nodes}, t.Logf)

	// One of the two is spared: that is no fault.
	missed := EndProcesses("kill", "worker1", Kill(node, one), one, two)
	missed.ProveWithin = time.Second
	_, err := injector.Inject(t.Context(), missed)
	var notProven *NotProvenError
	if !errors.As(err, &notProven) || !strings.Contains(notProven.Evidence, "still there:") {
		t.Errorf("one of two was killed: %v", err)
	}
	if err := first.Wait(); err == nil {
		t.Error("the first process was not killed")
	}

	active, err := injector.Inject(t.Context(), EndProcesses("kill", "worker1", Kill(node, two), one, two))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err == nil || !strings.HasPrefix(active.Record().Proof, "2 processes have ended:") {
		t.Errorf("%v, proof %q", err, active.Record().Proof)
	}
	n, err := node(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProcess(t.Context(), n, one.PID); err == nil {
		t.Error("a process that is gone was read")
	}
}

func TestSeenFromOutside(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	injector := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf)
	looks := 0
	spec := Spec{
		Name: "outside", Machine: "worker1", Do: func(context.Context) error { return nil },
		Seen: func(context.Context) (string, error) {
			if looks++; looks < 3 {
				return "not yet", errors.New("nothing")
			}
			return "it is there", nil
		},
		SeenUndone: func(context.Context) (string, error) { return "it is gone", nil },
	}
	active, err := injector.Inject(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := active.Record(); r.Proof != "it is there" || r.ProofUndone != "it is gone" || looks != 3 {
		t.Errorf("%d looks, %+v", looks, r)
	}
	spec.Seen = func(context.Context) (string, error) { return "nothing", errors.New("not there") }
	spec.ProveWithin = time.Second / 2
	var notProven *NotProvenError
	if _, err := injector.Inject(t.Context(), spec); !errors.As(err, &notProven) || notProven.Evidence != "nothing" {
		t.Errorf("%v", err)
	}
	spec.Prove = "true"
	if _, err := injector.Inject(t.Context(), spec); err == nil {
		t.Error("two proofs were accepted")
	}
}
