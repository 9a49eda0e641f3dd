package sshnode_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

const kubelet = "kubelet.service"

func TestUnitLife(t *testing.T) {
	t.Parallel()
	for _, lag := range []int{0, 2} {
		t.Run(fmt.Sprintf("lag %d", lag), func(t *testing.T) {
			t.Parallel()
			units := sshtest.NewUnits(kubelet)
			units.Lag = lag
			u := sshtest.New(t, sshtest.Options{Handler: units.Handle(nil)}).Dial(t).Unit(kubelet)
			ctx := testContext(t)
			step := func(name string, f func(context.Context) (sshnode.UnitState, error), active string) sshnode.UnitState {
				t.Helper()
				s, err := f(ctx)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if s.Active != active || (s.MainPID != 0) != (active == "active") {
					t.Fatalf("%s: unit is %s", name, s)
				}
				return s
			}
			signal := func(sig string) func(context.Context) (sshnode.UnitState, error) {
				return func(ctx context.Context) (sshnode.UnitState, error) { return u.Kill(ctx, sig) }
			}
			step("state", u.State, "inactive")
			first := step("start", u.Start, "active")
			if again := step("start again", u.Start, "active"); again != first {
				t.Errorf("start of an active unit changed it: %s", again)
			}
			second := step("restart", u.Restart, "active")
			if second.MainPID == first.MainPID {
				t.Error("restart kept the main process")
			}
			step("freeze", signal("STOP"), "active")
			step("thaw", signal("SIGCONT"), "active")
			step("reload", signal("HUP"), "active")
			step("kill", signal("KILL"), "failed")
			step("stop a failed unit", u.Stop, "failed")
			step("start", u.Start, "active")
			step("stop", u.Stop, "inactive")
		})
	}
}

func TestUnitKillWithAutoRestart(t *testing.T) {
	t.Parallel()
	units := sshtest.NewUnits(kubelet)
	units.Lag, units.AutoRestart = 1, true
	u := sshtest.New(t, sshtest.Options{Handler: units.Handle(nil)}).Dial(t).Unit(kubelet)
	before, err := u.Start(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	after, err := u.Kill(testContext(t), "SIGKILL")
	if err != nil {
		t.Fatal(err)
	}
	if after.Active != "active" || after.MainPID == before.MainPID || after.NRestarts != 1 {
		t.Errorf("after the kill: %s, %d restarts", after, after.NRestarts)
	}
}

func TestUnitErrors(t *testing.T) {
	t.Parallel()
	n := sshtest.New(t, sshtest.Options{Handler: sshtest.NewUnits(kubelet).Handle(nil)}).Dial(t)
	ctx := testContext(t)

	missing := n.Unit("nothing.service")
	if s, err := missing.State(ctx); err != nil || s.Load != "not-found" {
		t.Errorf("State of a missing unit = %s, %v", s, err)
	}
	var unit *sshnode.UnitError
	var exit *sshnode.ExitError
	if _, err := missing.Start(ctx); !errors.As(err, &unit) || !errors.As(err, &exit) || unit.State.Load != "not-found" {
		t.Errorf("Start of a missing unit = %v, want a *UnitError around an *ExitError", err)
	}
	if _, err := n.Unit(kubelet).Kill(ctx, "KILL"); !errors.As(err, &unit) {
		t.Errorf("Kill of a stopped unit = %v, want a *UnitError", err)
	}
	var usage *sshnode.UsageError
	for _, bad := range []string{"", "9", "KILL; reboot", "kill"} {
		if _, err := n.Unit(kubelet).Kill(ctx, bad); !errors.As(err, &usage) {
			t.Errorf("Kill with signal %q = %v, want a *UsageError", bad, err)
		}
	}

	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	s, err := n.Unit(kubelet).Await(short, func(s sshnode.UnitState) bool { return s.Active == "active" })
	if !errors.Is(err, context.DeadlineExceeded) || s.Active != "inactive" {
		t.Errorf("Await = %s, %v, want the last state and context.DeadlineExceeded", s, err)
	}

	n.Close()
	var transport *sshnode.TransportError
	if _, err := n.Unit(kubelet).Stop(ctx); !errors.As(err, &transport) {
		t.Errorf("Stop on a closed node = %v, want a *TransportError", err)
	}
}
