package qemu

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/lock"
)

func TestStatusOfADeadKeeperIsStale(t *testing.T) {
	t.Parallel()
	dir := Dir(t.TempDir())
	if _, err := dir.ReadStatus(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no lab: %v", err)
	}
	mine, err := lock.Take(dir.Lock(), "keeper")
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.WriteStatus(Status{Name: "x", Phase: Ready}); err != nil {
		t.Fatal(err)
	}
	if s, err := dir.ReadStatus(); err != nil || s.Phase != Ready {
		t.Errorf("kept: %s, %v", s.Phase, err)
	}
	if err := dir.Clean(); err == nil {
		t.Error("cleaned up under a living keeper")
	}
	if err := mine.Release(); err != nil {
		t.Fatal(err)
	}
	if s, err := dir.ReadStatus(); err != nil || s.Phase != Stale {
		t.Errorf("left: %s, %v", s.Phase, err)
	}
	for _, f := range []string{dir.Access(), dir.Faults(), dir.KeeperLog()} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.Clean(); err != nil {
		t.Fatal(err)
	}
	if s, err := dir.ReadStatus(); err != nil || s.Phase != Down {
		t.Errorf("cleaned: %s, %v", s.Phase, err)
	}
	for f, want := range map[string]bool{dir.Access(): false, dir.Faults(): false, dir.KeeperLog(): true} {
		if _, err := os.Stat(f); (err == nil) != want {
			t.Errorf("%s after cleaning: %v", f, err)
		}
	}
}

func TestFailureKeepsTheError(t *testing.T) {
	t.Parallel()
	if FailureOf(nil) != nil || (*Failure)(nil).Err() != nil {
		t.Error("nil does not stay nil")
	}
	infra := &lab.InfraError{Machine: "worker1", What: "does not answer on SSH", Advice: "look", ConsoleTail: "a\nb", Err: errors.New("refused")}
	back := FailureOf(infra).Err()
	if diff := cmp.Diff(infra.Error(), back.Error()); diff != "" {
		t.Error(diff)
	}
	var usage *lab.UsageError
	if err := FailureOf(&NotUpError{Name: "x"}).Err(); !errors.As(err, &usage) {
		t.Errorf("%v is no usage error any more", err)
	}
}

func TestStatusSchema(t *testing.T) {
	t.Parallel()
	_, err := parseStatus(strings.NewReader(`{"schema": 2}`))
	var usage *lab.UsageError
	if !errors.As(err, &usage) {
		t.Errorf("error = %v, want a usage error", err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(`{"schema":1,"phase":"ready","machines":[{"name":"server","link":{}}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := parseStatus(bytes.NewReader(in))
		if err == nil && s.Schema != StatusSchema {
			t.Errorf("schema %d", s.Schema)
		}
	})
}
