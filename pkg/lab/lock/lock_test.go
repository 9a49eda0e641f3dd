package lock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if _, held, err := Holder(path); held || err != nil {
		t.Errorf("before: held %v, %v", held, err)
	}
	l, err := Take(path, "nfsim run --seed 1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Take(path, "another")
	var locked *HeldError
	if !errors.As(err, &locked) {
		t.Fatalf("second lock: %v, want *HeldError", err)
	}
	if locked.PID != os.Getpid() || locked.Who != "nfsim run --seed 1" {
		t.Errorf("held by %d %q", locked.PID, locked.Who)
	}
	if who, held, err := Holder(path); !held || err != nil || who.PID != os.Getpid() {
		t.Errorf("while held: %+v, %v, %v", who, held, err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if _, held, err := Holder(path); held || err != nil {
		t.Errorf("after: held %v, %v", held, err)
	}
	again, err := Take(path, "another")
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Release()
}
