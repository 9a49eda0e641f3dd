package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// pausing is a batch of one cell that may stand still, on machines that nobody
// reaches; what happens is listed in the order in which it did.
type pausing struct {
	*Batch
	happened []string
	run      *rundir.Run
}

func newPausing(t *testing.T, at PausePoint, answer error) *pausing {
	t.Helper()
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
	if err != nil {
		t.Fatal(err)
	}
	trial, err := run.NewTrial(rundir.TrialMeta{Scenario: "nfs.x", Profile: "default", Repeat: 1})
	if err != nil {
		t.Fatal(err)
	}
	journal, err := fault.OpenJournal(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	p := &pausing{run: run}
	p.Batch = &Batch{
		Lab: pausedLab{}, Target: lab.Machine{Name: "worker1"}, Other: lab.Machine{Name: "worker2"},
		Cells: []*Cell{{Key: "x-1", Trial: trial}},
		Phase: func(string) {},
		Injector: fault.NewInjector(journal, fault.Reach{Nodes: func(context.Context, string) (*sshnode.Node, error) {
			p.happened = append(p.happened, "machine is reached")
			return nil, errors.New("no machine")
		}}, nil),
		Pause: &Pauser{At: at, Wait: func(_ context.Context, p2 Pausing) error {
			p.happened = append(p.happened, "paused before "+string(p2.Before)+": "+p2.Next)
			return answer
		}},
	}
	return p
}

// pausedLab is a lab that has a server and nothing else that a pause asks for.
type pausedLab struct{ lab.Lab }

func (pausedLab) Machines() []lab.Machine {
	return []lab.Machine{{Name: "server", Role: lab.Server, Addr: "10.0.0.1"}}
}

// recorded are the pauses in the trial's record.
func (p *pausing) recorded(t *testing.T) []rundir.Pause {
	t.Helper()
	if err := p.Cells[0].Trial.Finish(nil); err != nil {
		t.Fatal(err)
	}
	trials, err := p.run.Trials()
	if err != nil {
		t.Fatal(err)
	}
	return trials[0].Meta.Pauses
}

func TestPauseBeforeFault(t *testing.T) {
	t.Parallel()
	paused := "paused before fault: fault kubelet-stop is injected on worker1"
	broken := errors.New("no more")
	for _, tt := range []struct {
		name   string
		at     PausePoint
		answer error
		want   []string
		ended  bool
	}{
		{"asked for", PauseFault, nil, []string{paused, "machine is reached"}, true},
		{"broken off: nothing is armed", PauseFault, broken, []string{paused}, false},
		{"another phase", PauseSetup, nil, []string{"machine is reached"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPausing(t, tt.at, tt.answer)
			_, err := p.inject(t.Context(), fault.KubeletStop("worker1", "kubelet.service"))
			if err == nil || errors.Is(err, broken) != (tt.answer != nil) {
				t.Errorf("inject: %v", err)
			}
			if diff := cmp.Diff(tt.want, p.happened); diff != "" {
				t.Errorf("what happened (-want +got):\n%s", diff)
			}
			pauses := p.recorded(t)
			if asked := tt.at == PauseFault; (len(pauses) == 1) != asked || asked && (pauses[0].Before != "fault" || pauses[0].BeganNS == 0 || pauses[0].EndedNS != 0 != tt.ended) {
				t.Errorf("recorded %+v", pauses)
			}
		})
	}
}

// TestPauseIsNotForTeardown makes sure that what puts things back is not kept
// waiting for a person.
func TestPauseIsNotForTeardown(t *testing.T) {
	t.Parallel()
	p := newPausing(t, PauseRecovery, nil)
	if err := p.pauseBefore(context.WithoutCancel(t.Context()), PauseRecovery, p.Cells, "x"); err != nil || len(p.happened) > 0 {
		t.Errorf("%v, %q", err, p.happened)
	}
	if err := p.pauseBefore(withoutPauses(t.Context()), PauseRecovery, p.Cells, "x"); err != nil || len(p.happened) > 0 {
		t.Errorf("%v, %q", err, p.happened)
	}
	if err := p.pauseBefore(t.Context(), PauseRecovery, p.Cells, "x"); err != nil || len(p.happened) != 1 {
		t.Errorf("%v, %q", err, p.happened)
	}
}

func TestPauseIsBounded(t *testing.T) {
	t.Parallel()
	p := newPausing(t, PauseSetup, nil)
	p.Pause.Wait = func(ctx context.Context, _ Pausing) error {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left > LongestPause || left < LongestPause-time.Minute {
			t.Errorf("deadline %v: %v", ok, left)
		}
		return nil
	}
	if err := p.pauseBefore(t.Context(), PauseSetup, p.Cells, "x"); err != nil {
		t.Error(err)
	}
}

func TestPausedMachinesWaitLonger(t *testing.T) {
	t.Parallel()
	p := newPausing(t, PauseRecovery, nil)
	if got := p.lastingBeyondPauses(fault.Spec{}).Deadman; got < 4*LongestPause {
		t.Errorf("dead-man's switch after %s", got)
	}
	p.Pause = nil
	if got := p.lastingBeyondPauses(fault.Spec{}).Deadman; got != 0 {
		t.Errorf("dead-man's switch after %s without pauses", got)
	}
}

func TestHowItStands(t *testing.T) {
	t.Parallel()
	p := newPausing(t, PauseFault, nil)
	ctx := withScribe(t.Context(), p.Cells...)
	note(ctx, rundir.Step{Do: rundir.DoMount, Machine: "worker2", Path: "/mnt/x"})
	note(ctx, rundir.Step{Do: rundir.DoPod, Name: "x-1", Machine: "worker1", Pod: &rundir.StepPod{PID: 7, HostMount: "/host/x", Mount: "/data"}})
	lines := strings.Join(p.howItStands(p.Cells), "\n")
	for _, want := range []string{"A (what is broken, if a worker is) is worker1", "/mnt/x on worker2", "process 7", "/host/x", "10.0.0.1"} {
		if !strings.Contains(lines, want) {
			t.Errorf("%q is not said:\n%s", want, lines)
		}
	}
}
