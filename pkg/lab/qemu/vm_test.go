//go:build vm

package qemu_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/keeper"
)

// TestMain lets the test binary play nfsim: qemu.Start runs it as a keeper.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "lab" {
		err := keeper.Run(context.Background(), keeper.Options{
			Name: os.Args[len(os.Args)-1], Stdin: os.Stdin, Events: os.NewFile(3, "events"), Log: os.Stderr,
		})
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestLab boots real machines (or restores them, if the cache has a ready
// snapshot) and uses every ability of a lab:
//
//	go test -tags vm -run TestLab -v -timeout 40m ./pkg/lab/qemu
func TestLab(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	spec := qemu.Spec{Name: "vmtest"}
	l, err := qemu.Start(ctx, spec, qemu.Options{Tether: true, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.Phase != qemu.Ready || !s.Tethered {
		t.Errorf("phase %s, tethered %v", s.Phase, s.Tethered)
	}
	var pids []int
	for _, m := range s.Machines {
		pids = append(pids, m.PID)
		if m.Clock == nil {
			t.Errorf("%s: clock not set", m.Name)
		}
	}

	t.Run("up twice", func(t *testing.T) {
		var up *qemu.UpError
		if _, err := qemu.Start(ctx, spec, qemu.Options{}); !errors.As(err, &up) {
			t.Errorf("error = %v, want *qemu.UpError", err)
		}
	})
	t.Run("link", func(t *testing.T) { testLink(ctx, t, l) })
	t.Run("no way out", func(t *testing.T) { testNoWayOut(ctx, t, l) })
	t.Run("reset", func(t *testing.T) { testReset(ctx, t, l) })
	t.Run("restore", func(t *testing.T) { testRestore(ctx, t, l) })
	t.Run("keeper killed", func(t *testing.T) {
		s, err := l.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pids = pids[:0]
		for _, m := range s.Machines {
			pids = append(pids, m.PID)
		}
		if err := syscall.Kill(s.KeeperPID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			await(ctx, t, fmt.Sprintf("QEMU %d to die", pid), func() bool { return !running(pid) })
		}
		_ = l.Close()
		var notUp *qemu.NotUpError
		if _, err := qemu.Attach(ctx, spec.Name); !errors.As(err, &notUp) || !notUp.Stale {
			t.Errorf("attach to a dead lab: %v", err)
		}
	})
	t.Run("up again", func(t *testing.T) {
		l, err := qemu.Start(ctx, spec, qemu.Options{Logf: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Status(ctx)
		if err != nil || s.Tethered {
			t.Errorf("tethered %v, %v", s.Tethered, err)
		}
		if err := l.Down(ctx); err != nil {
			t.Fatal(err)
		}
		for _, m := range s.Machines {
			if running(m.PID) {
				t.Errorf("QEMU of %s lives after down", m.Name)
			}
		}
	})
}

func testLink(ctx context.Context, t *testing.T, l *qemu.Lab) {
	const ping = "ping -c 1 -W 2 192.168.127.11 || nc -z -w 2 192.168.127.11 22 || bash -c 'timeout 3 bash -c \"</dev/tcp/192.168.127.11/22\"'"
	if _, err := run(ctx, t, l, "server", ping); err != nil {
		t.Fatalf("before: %v", err)
	}
	if err := l.SetLink(ctx, "worker1", false); err != nil {
		t.Fatal(err)
	}
	if _, err := run(ctx, t, l, "server", ping); err == nil {
		t.Error("reached a machine whose link is down")
	}
	st, err := l.LinkStats(ctx, "worker1")
	if err != nil || st.Up || st.DroppedOut == 0 {
		t.Errorf("stats = %+v, %v", st, err)
	}
	if err := l.SetLink(ctx, "worker1", true); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the link to carry again", func() bool {
		_, err := run(ctx, t, l, "server", ping)
		return err == nil
	})
}

func testNoWayOut(ctx context.Context, t *testing.T, l *qemu.Lab) {
	for _, target := range []string{"192.168.127.1/22", "192.168.127.254/22", "192.0.2.1/80"} {
		if out, err := run(ctx, t, l, "worker1", "timeout 3 bash -c '</dev/tcp/"+target+"'"); err == nil {
			t.Errorf("a guest reached %s: %s", target, out)
		}
	}
}

func testReset(ctx context.Context, t *testing.T, l *qemu.Lab) {
	before, err := run(ctx, t, l, "worker1", "cat /proc/sys/kernel/random/boot_id; echo kept > /root/kept; sync; echo lost > /root/lost")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := l.Reset(ctx, "worker1"); err != nil {
		t.Fatal(err)
	}
	after, err := run(ctx, t, l, "worker1", "cat /proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("SSH %.1f s after a reset", time.Since(begin).Seconds())
	if before == after {
		t.Errorf("the boot id is still %s", after)
	}
	if kept, err := run(ctx, t, l, "worker1", "cat /root/kept"); err != nil || kept != "kept" {
		t.Errorf("what was synced is %q, %v", kept, err)
	}
	var usage *lab.UsageError
	if err := l.Reset(ctx, "worker9"); !errors.As(err, &usage) {
		t.Errorf("reset of nobody: %v", err)
	}
}

func testRestore(ctx context.Context, t *testing.T, l *qemu.Lab) {
	for i := range 2 {
		if _, err := run(ctx, t, l, "worker2", "touch /root/mark"); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := l.Restore(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("restore %d: %.1f s", i, time.Since(begin).Seconds())
		if out, err := run(ctx, t, l, "worker2", "test ! -e /root/mark"); err != nil {
			t.Errorf("what was written before the restore is there: %s, %v", out, err)
		}
	}
	s, err := l.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Machines {
		t.Logf("%s: clock %+v", m.Name, m.Clock)
	}
}

func run(ctx context.Context, t *testing.T, l *qemu.Lab, machine, command string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	node, err := l.Node(ctx, machine)
	if err != nil {
		return "", err
	}
	return node.Output(ctx, command)
}

func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func await(ctx context.Context, t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
