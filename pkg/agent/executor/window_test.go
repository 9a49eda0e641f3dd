package executor

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/payload"
)

func record(t testing.TB, client string, seq int64) []byte {
	t.Helper()
	b, err := payload.Record{Client: client, Seq: seq}.Append(nil, 64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// look shows the window the file's contents as a tail would, and returns what
// it reports in a compact form.
func look(w *window, file []byte, now int64) []string {
	var out []string
	for {
		b := file[w.base:]
		more := len(b) >= maxWindow
		b = b[:min(len(b), maxWindow)]
		for _, ev := range w.take(b, now, false, more, time.Second) {
			s := fmt.Sprintf("%s%d@%d", ev.Client, ev.Seq, ev.Offset)
			if ev.Gap != "" {
				s = fmt.Sprintf("%s(%d)@%d", ev.Gap, ev.Bytes, ev.Offset)
			}
			if ev.Over != nil {
				s += fmt.Sprintf(" over %s%d", ev.Over.Client, ev.Over.Seq)
			}
			out = append(out, s)
		}
		if !more {
			return out
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	a1, a2, a3, b9 := record(t, "a", 1), record(t, "a", 2), record(t, "a", 3), record(t, "b", 9)
	hole := make([]byte, 64)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	const ms = int64(time.Millisecond)
	steps := []struct {
		at   int64
		file []byte
		want []string
	}{
		{0, nil, nil},
		{1, a1, []string{"a1@0"}},
		{2, a1, nil},
		{3, join(a1, a2[:20]), nil},
		{4, join(a1, a2), []string{"a2@64"}},
		{5, join(a1, a2, hole, a3), []string{"a3@192"}},
		{900, join(a1, a2, hole, a3), nil},
		{901, join(a1, a2, b9, a3), []string{"b9@128"}},
		{902, join(a1, b9, b9, a3), []string{"b9@64 over a2"}},
		{903, join(a1, b9, hole, a3), nil},
		{1950, join(a1, b9, hole, a3), []string{"NUL(64)@128"}},
		{2900, join(a1, b9, hole, a3), nil},
		{2901, join(a1, b9, a2, a3), []string{"a2@128"}},
	}
	w := newWindow()
	for _, s := range steps {
		if diff := cmp.Diff(s.want, look(w, s.file, s.at*ms)); diff != "" {
			t.Errorf("at %d ms (-want +got):\n%s", s.at, diff)
		}
	}
}

// TestWindowOfALargeFile lets a log grow beyond all buffers, in random pieces
// and with a hole that is filled later, and wants each record once.
func TestWindowOfALargeFile(t *testing.T) {
	t.Parallel()
	const records = 60000 // 3.8 MB
	var file []byte
	for seq := range int64(records) {
		file = append(file, record(t, "a", seq)...)
	}
	holed := bytes.Clone(file)
	clear(holed[64*100 : 64*103])

	rng := rand.New(rand.NewPCG(1, 2))
	w := newWindow()
	seen := map[string]int{}
	for end := 0; end < len(file); {
		end = min(len(file), end+rng.IntN(300<<10))
		shown := holed
		if end > 500<<10 {
			shown = file
		}
		for _, s := range look(w, shown[:end], int64(end)) {
			seen[s]++
		}
		if len(w.data) > maxWindow+keepWindow {
			t.Fatalf("the window holds %d bytes", len(w.data))
		}
	}
	for seq := range records {
		if s := fmt.Sprintf("a%d@%d", seq, seq*64); seen[s] != 1 {
			t.Fatalf("%s was reported %d times", s, seen[s])
		}
	}
	if len(seen) != records {
		t.Errorf("%d things reported", len(seen))
	}
}

// TestWindowOfALongHole wants an end to a hole that is longer than the buffer.
func TestWindowOfALongHole(t *testing.T) {
	t.Parallel()
	file := make([]byte, 5*maxWindow)
	file = append(file, record(t, "a", 1)...)
	got := look(newWindow(), file, 0)
	if len(got) == 0 || got[len(got)-1] != fmt.Sprintf("a1@%d", 5*maxWindow) {
		t.Errorf("reported %v", got)
	}
}

func FuzzWindow(f *testing.F) {
	f.Add(append(record(f, "a", 1), 0, 0), append(record(f, "b", 1), 'L'))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		w := newWindow()
		for i, file := range [][]byte{first, second, append(bytes.Clone(second), first...)} {
			if len(file) < int(w.base) {
				w = newWindow()
			}
			look(w, file, int64(i)*int64(time.Hour))
			if !bytes.Equal(w.data, file[w.base:]) {
				t.Fatal("the window holds other bytes than the file")
			}
		}
	})
}
