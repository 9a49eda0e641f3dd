package fault

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := newJournal(t, dir)
	for _, e := range []Entry{
		{Event: EventOpen, ID: "a", Name: "n", Machine: "m", Undo: "undo\nit"},
		{Event: EventOpen, ID: "b"},
		{Event: EventArmed, ID: "a"},
		{Event: EventClosed, ID: "b"},
		{Event: EventUndoFailed, ID: "a", Error: "no"},
	} {
		if err := j.append(e); err != nil {
			t.Fatal(err)
		}
	}
	again := newJournal(t, dir)
	entries, damaged, err := again.Open()
	if err != nil || damaged != 0 || len(entries) != 1 {
		t.Fatalf("%+v, %d, %v", entries, damaged, err)
	}
	e := entries[0]
	if e.ID != "a" || e.Undo != "undo\nit" || e.Lab != "testlab" || e.PID != os.Getpid() || e.Time.IsZero() {
		t.Errorf("%+v", e)
	}
	info, err := os.Stat(j.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestJournalCutShort cuts a journal at every byte, as a kill in the middle of
// a write does: what was synced before is kept, and what comes after is read.
func TestJournalCutShort(t *testing.T) {
	t.Parallel()
	j := newJournal(t, t.TempDir())
	if err := j.append(Entry{Event: EventOpen, ID: "a", Undo: "x"}); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.append(Entry{Event: EventOpen, ID: "b", Undo: "y"}); err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	for n := len(first); n <= len(both); n++ {
		if err := os.WriteFile(j.Path(), both[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := j.append(Entry{Event: EventOpen, ID: "c"}); err != nil {
			t.Fatal(err)
		}
		want := []string{"a", "c"}
		if n >= len(both)-1 { // only the newline is missing
			want = []string{"a", "b", "c"}
		}
		if diff := cmp.Diff(want, open(t, j)); diff != "" {
			t.Errorf("cut at %d of %d: %s", n, len(both), diff)
		}
	}
}

func TestJournalLongLine(t *testing.T) {
	t.Parallel()
	j := newJournal(t, t.TempDir())
	if err := j.append(Entry{Event: EventOpen, ID: "a", Undo: strings.Repeat("x", maxJournalLine)}); err == nil {
		t.Error("a line that could not be read again was written")
	}
	long := append(bytes.Repeat([]byte("x"), 3*maxJournalLine), '\n')
	if err := os.WriteFile(j.Path(), long, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.append(Entry{Event: EventOpen, ID: "b"}); err != nil {
		t.Fatal(err)
	}
	if _, damaged, err := j.Open(); err != nil || damaged != 1 {
		t.Errorf("%d damaged, %v", damaged, err)
	}
	if diff := cmp.Diff([]string{"b"}, open(t, j)); diff != "" {
		t.Error(diff)
	}
}

func TestJournalConcurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		j := newJournal(t, dir)
		wg.Go(func() {
			for n := range 5 {
				if err := j.append(Entry{Event: EventOpen, ID: fmt.Sprintf("%d-%d", i, n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(open(t, newJournal(t, dir))); n != 40 {
		t.Errorf("%d faults", n)
	}
}

func FuzzReadJournal(f *testing.F) {
	f.Add([]byte(`{"event":"open","id":"a","time":"2026-11-20T00:00:00Z","pid":1}` + "\n" + `{"event":"clo`))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, damaged, err := readJournal(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if len(entries)+damaged > bytes.Count(b, []byte("\n"))+1 {
			t.Errorf("%d entries and %d damaged lines", len(entries), damaged)
		}
		for _, e := range entries {
			if e.ID == "" || e.Event == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
