package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/lab"
)

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if _, held, err := holder(path); held || err != nil {
		t.Errorf("before: held %v, %v", held, err)
	}
	l, err := TakeLock(path, "nfsim run --seed 1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = TakeLock(path, "another")
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("second lock: %v, want *LockedError", err)
	}
	if locked.PID != os.Getpid() || locked.Who != "nfsim run --seed 1" {
		t.Errorf("held by %d %q", locked.PID, locked.Who)
	}
	if who, held, err := holder(path); !held || err != nil || who.PID != os.Getpid() {
		t.Errorf("while held: %+v, %v, %v", who, held, err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if _, held, err := holder(path); held || err != nil {
		t.Errorf("after: held %v, %v", held, err)
	}
	again, err := TakeLock(path, "another")
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Release()
}

func TestAcquire(t *testing.T) {
	t.Parallel()
	l := &Lab{dir: Dir(t.TempDir()), status: Status{Name: "x"}}
	release, err := l.Acquire(t.Context(), "nfsim run")
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Acquire(t.Context(), "nfsim run")
	var busy *BusyError
	var usage *lab.UsageError
	if !errors.As(err, &busy) || !errors.As(err, &usage) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), "nfsim run") {
		t.Errorf("error = %v", err)
	}
	release()
	release()
	again, err := l.Acquire(t.Context(), "nfsim heal")
	if err != nil {
		t.Fatal(err)
	}
	again()
}
