package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

func TestInjectAndHeal(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	inj := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf)
	spec := m.breakage("f1")
	// What was on disk and armed when the fault came.
	spec.Inject = fmt.Sprintf("cp %s %s/journal-seen; cp %s/units/nfsim-undo-f1.timer %s/timer-seen\n", j.Path(), m.Dir, m.Dir, m.Dir) + spec.Inject
	spec.Deadman = 5 * time.Minute

	before := mono.Now()
	active, err := inj.Inject(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if seen := m.Read(t, "journal-seen"); !strings.Contains(seen, `"event":"open"`) || !strings.Contains(seen, "rm -f") || strings.Contains(seen, `"injected"`) {
		t.Errorf("the journal at the injection: %s", seen)
	}
	if seen := m.Read(t, "timer-seen"); seen != "active\n" {
		t.Errorf("the timer at the injection: %s", seen)
	}
	if after := m.Read(t, "units/nfsim-undo-f1.after"); after != "300000ms\n" {
		t.Errorf("the timer fires after %s", after)
	}
	r := active.Record()
	if !r.Proven || r.Proof != "broken" || r.InjectStart < before || r.InjectEnd < r.InjectStart || r.ProvenAt < r.InjectEnd || r.HealStart != 0 {
		t.Errorf("record %+v", r)
	}
	if diff := cmp.Diff([]string{"f1"}, open(t, j)); diff != "" {
		t.Error(diff)
	}

	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = active.Record()
	if r.HealStart < r.ProvenAt || r.HealedAt < r.HealStart || r.ProofUndone != "whole" || r.FiredByNode || r.Error != "" {
		t.Errorf("record %+v", r)
	}
	if m.Exists("broken") || m.armed(t) || m.Exists(undoFile("f1")) || len(open(t, j)) != 0 {
		t.Error("something is left")
	}
	commands := len(m.srv.Commands())
	if err := active.Heal(t.Context()); err != nil || len(m.srv.Commands()) != commands {
		t.Errorf("second heal: %v, %d commands", err, len(m.srv.Commands())-commands)
	}
}

func TestInjectOutlivesTheContext(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	inj := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf)

	ctx, cancel := context.WithCancel(t.Context())
	active, err := inj.Inject(ctx, m.breakage("f1"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := active.Heal(ctx); err != nil || m.Exists("broken") {
		t.Errorf("heal after cancel: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	spec := m.breakage("f2")
	spec.Prove = "false"
	spec.Do, spec.Inject = func(context.Context) error {
		m.Write(t, "broken", "", 0o644)
		cancel()
		return nil
	}, ""
	var not *NotProvenError
	if _, err := inj.Inject(ctx, spec); !errors.As(err, &not) || not.Undo != nil {
		t.Errorf("error %v", err)
	}
	if m.Exists("broken") || m.armed(t) || len(open(t, j)) != 0 {
		t.Error("something is left")
	}
}

func TestNotProven(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	spec := m.breakage("f1")
	spec.Prove = "echo 'the peer still answers'; exit 1"
	spec.ProveWithin = 3 * time.Second
	_, err := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), spec)
	var not *NotProvenError
	if !errors.As(err, &not) {
		t.Fatalf("error %v", err)
	}
	if not.Undo != nil || not.Evidence != "the peer still answers" || not.Record.Proven || not.Record.HealedAt == 0 || !strings.Contains(err.Error(), "still answers") {
		t.Errorf("%+v: %v", not, err)
	}
	var exit *sshnode.ExitError
	if !errors.As(err, &exit) {
		t.Errorf("the reason is lost: %v", err)
	}
	if m.Exists("broken") || m.armed(t) || len(open(t, j)) != 0 {
		t.Error("something is left")
	}
}

func TestProofMayComeLate(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	spec := m.breakage("f1")
	spec.Prove = fmt.Sprintf("echo x >> %[1]s/tries; [ $(wc -l < %[1]s/tries) -ge 3 ] && echo third\n", m.Dir)
	active, err := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, nil).Inject(t.Context(), spec)
	if err != nil || active.Record().Proof != "third" {
		t.Errorf("%v", err)
	}
}

func TestFailedSteps(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		script string // of systemd-run
		inject string
		step   string
	}{
		{name: "timer not started", script: "echo 'Failed to connect to bus' >&2; exit 1", step: "arm"},
		{name: "timer not listed", script: "exit 0", step: "arm"},
		{name: "injection fails half-way", inject: "; exit 4", step: "inject"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, t.TempDir(), nil)
			j := newJournal(t, t.TempDir())
			if tc.script != "" {
				m.Write(t, "systemd-run.sh", tc.script+"\n", 0o644)
			}
			spec := m.breakage("f1")
			spec.Inject = strings.TrimSpace(spec.Inject) + tc.inject + "\n"
			_, err := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), spec)
			var failed *InjectError
			if !errors.As(err, &failed) || failed.Step != tc.step || failed.Undo != nil {
				t.Fatalf("error %v", err)
			}
			if tc.step == "arm" && failed.Record.InjectStart != 0 {
				t.Error("injected without an armed timer")
			}
			if m.Exists("broken") || m.armed(t) || len(open(t, j)) != 0 {
				t.Error("something is left")
			}
		})
	}
}

func TestUnreachableMachine(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	down := errors.New("connection refused")
	inj := NewInjector(j, Reach{Nodes: func(context.Context, string) (*sshnode.Node, error) { return nil, down }}, t.Logf)
	var failed *InjectError
	if _, err := inj.Inject(t.Context(), m.breakage("f1")); !errors.Is(err, down) || !errors.As(err, &failed) || failed.Step != "arm" {
		t.Errorf("error %v", err)
	}
	if len(open(t, j)) != 0 {
		t.Error("a fault that was never sent is open")
	}
}

func TestJournalThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	j.path += "/no/such/directory"
	var failed *InjectError
	if _, err := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), m.breakage("f1")); !errors.As(err, &failed) || failed.Step != "journal" {
		t.Errorf("error %v", err)
	}
	if n := len(m.srv.Commands()); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}

func TestUndoThatFails(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"undo":     "[ -e %[1]s/fixed ] && rm -f %[1]s/broken\n",
		"no proof": "[ -e %[1]s/fixed ] && rm -f %[1]s/broken; :\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, t.TempDir(), nil)
			j := newJournal(t, t.TempDir())
			spec := m.breakage("f1")
			spec.Undo = fmt.Sprintf(script, m.Dir)
			spec.HealWithin = 3 * time.Second
			active, err := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			var not *NotUndoneError
			if err := active.Heal(t.Context()); !errors.As(err, &not) || not.ID != "f1" {
				t.Fatalf("error %v", err)
			}
			if !m.armed(t) {
				t.Error("the machine's own timer was given up before the fault was undone")
			}
			if diff := cmp.Diff([]string{"f1"}, open(t, j)); diff != "" {
				t.Error(diff)
			}
			report, err := HealAll(t.Context(), j, Reach{Nodes: m.nodes(t)}, t.Logf)
			if !errors.As(err, &not) || len(report) != 1 || report[0].Err == nil {
				t.Errorf("heal all: %+v, %v", report, err)
			}
			m.Write(t, "fixed", "", 0o644)
			if err := active.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if m.Exists("broken") || m.armed(t) || len(open(t, j)) != 0 {
				t.Error("something is left")
			}
		})
	}
}

func TestFiredByNode(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	j := newJournal(t, t.TempDir())
	active, err := NewInjector(j, Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), m.breakage("f1"))
	if err != nil {
		t.Fatal(err)
	}
	m.fire(t, "f1")
	if m.Exists("broken") {
		t.Fatal("the machine did not undo the fault")
	}
	if err := active.Heal(t.Context()); err != nil || !active.Record().FiredByNode {
		t.Errorf("%+v, %v", active.Record(), err)
	}
	if len(open(t, j)) != 0 {
		t.Error("the fault is open")
	}
}

func TestSpecChecks(t *testing.T) {
	t.Parallel()
	good := Spec{Name: "n", Machine: "m", Inject: "i", Undo: "u", Prove: "p"}
	do := func(context.Context) error { return nil }
	for name, change := range map[string]func(*Spec){
		"id":           func(s *Spec) { s.ID = "a b" },
		"no name":      func(s *Spec) { s.Name = "" },
		"no machine":   func(s *Spec) { s.Machine = "" },
		"no inject":    func(s *Spec) { s.Inject = "" },
		"two injects":  func(s *Spec) { s.Do = do },
		"no proof":     func(s *Spec) { s.Prove = "" },
		"no undo":      func(s *Spec) { s.Undo = "" },
		"early switch": func(s *Spec) { s.Deadman = time.Second },
	} {
		s := good
		change(&s)
		if _, err := s.withDefaults(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if s, err := good.withDefaults(); err != nil || s.ID == "" || s.Deadman != DefaultDeadman {
		t.Errorf("%+v, %v", s, err)
	}
	reset := Spec{Name: "reset", Machine: "m", Do: do, Prove: "p"}
	if _, err := reset.withDefaults(); err != nil {
		t.Error(err)
	}
}
