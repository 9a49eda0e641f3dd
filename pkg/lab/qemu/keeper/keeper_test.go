package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/qemu"
	"github.com/nfsim/nfsim/pkg/lab/qemu/keeper"
)

// starterEnv makes the test binary play a process that starts a lab.
const starterEnv = "NFSIM_TEST_STARTER"

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
	if os.Getenv(starterEnv) != "" {
		_, err := qemu.Start(context.Background(), qemu.Spec{}, qemu.Options{Tether: true})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// fakePath makes a PATH with these commands, each a shell script.
func fakePath(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

func TestStartWithoutQEMU(t *testing.T) {
	fakePath(t, nil)
	_, err := qemu.Start(testContext(t), qemu.Spec{}, qemu.Options{Tether: true})
	var infra *lab.InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "apt-get install") {
		t.Fatalf("error = %v", err)
	}
	labs, err := qemu.List()
	if err != nil || len(labs) != 1 || labs[0].Phase != qemu.Failed || labs[0].Error == nil {
		t.Errorf("list = %+v, %v", labs, err)
	}
	var notUp *qemu.NotUpError
	if _, err := qemu.Attach(testContext(t), qemu.DefaultName); !errors.As(err, &notUp) || notUp.Stale {
		t.Errorf("attach: %v", err)
	}
	if err := qemu.DownByName(testContext(t), qemu.DefaultName); !errors.As(err, &notUp) {
		t.Errorf("down: %v", err)
	}
	if err := qemu.Remove(qemu.DefaultName); err != nil {
		t.Error(err)
	}
	if labs, err := qemu.List(); err != nil || len(labs) != 0 {
		t.Errorf("after remove: %+v, %v", labs, err)
	}
}

func TestStartWithTooMuchMemory(t *testing.T) {
	fakePath(t, map[string]string{"qemu-system-x86_64": "echo version 7.2.22", "qemu-system-aarch64": "echo version 7.2.22", "qemu-img": ""})
	_, err := qemu.Start(testContext(t), qemu.Spec{WorkerMemMiB: 1 << 20}, qemu.Options{Tether: true})
	var infra *lab.InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "not enough memory") || !strings.Contains(err.Error(), "2099968 MiB") {
		t.Errorf("error = %v", err)
	}
}

// TestTether has a keeper that would take forever: its starter goes, it goes.
func TestTether(t *testing.T) {
	fakePath(t, map[string]string{"qemu-system-x86_64": "exec /bin/sleep 600", "qemu-system-aarch64": "exec /bin/sleep 600", "qemu-img": ""})
	ctx, cancel := context.WithCancel(testContext(t))
	started := make(chan error, 1)
	go func() {
		_, err := qemu.Start(ctx, qemu.Spec{}, qemu.Options{Tether: true})
		started <- err
	}()
	awaitPhase(ctx, t, qemu.Starting)
	var half *qemu.HalfUpError
	if _, err := qemu.Attach(ctx, qemu.DefaultName); !errors.As(err, &half) {
		t.Errorf("attach: %v, want *qemu.HalfUpError", err)
	}
	var busy *lab.BusyError
	if _, err := qemu.Start(ctx, qemu.Spec{}, qemu.Options{}); !errors.As(err, &busy) {
		t.Errorf("second start: %v, want *lab.BusyError", err)
	}
	cancel()
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("start = %v", err)
	}
	labs, err := qemu.List()
	if err != nil || len(labs) != 1 || labs[0].Phase != qemu.Down {
		t.Errorf("list = %+v, %v", labs, err)
	}
}

// TestStarterKilled kills the starter with a signal that it cannot handle: the
// keeper and what it runs must go.
func TestStarterKilled(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	script := "echo $$ > " + pidFile + "; exec /bin/sleep 600"
	fakePath(t, map[string]string{"qemu-system-x86_64": script, "qemu-system-aarch64": script, "qemu-img": ""})
	ctx := testContext(t)
	starter := exec.CommandContext(ctx, os.Args[0])
	starter.Env = append(os.Environ(), starterEnv+"=1")
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	awaitPhase(ctx, t, qemu.Starting)
	var child int
	await(ctx, t, "the keeper's child", func() bool {
		b, err := os.ReadFile(pidFile)
		if err != nil {
			return false
		}
		child, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	if err := starter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait()
	awaitPhase(ctx, t, qemu.Down)
	await(ctx, t, "the keeper's child to go", func() bool { return syscall.Kill(child, 0) != nil })
	if err := qemu.Remove(qemu.DefaultName); err != nil {
		await(ctx, t, "the keeper to go", func() bool { return qemu.Remove(qemu.DefaultName) == nil })
	}
}

func awaitPhase(ctx context.Context, t *testing.T, phase qemu.Phase) {
	t.Helper()
	await(ctx, t, "a lab that is "+string(phase), func() bool {
		labs, err := qemu.List()
		if err != nil {
			t.Fatal(err)
		}
		return len(labs) == 1 && labs[0].Phase == phase
	})
}

func await(ctx context.Context, t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
