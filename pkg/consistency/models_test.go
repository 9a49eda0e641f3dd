package consistency

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
)

// line reads an operation from one line, "CLIENT FUNC[/MODE] FILE [VALUE]
// INVOKE RETURN", times in ms. A value in capitals is a kind, a return of "?"
// is no answer, a trailing "!" is a failure.
func line(t testing.TB, text string) history.Op {
	t.Helper()
	f := strings.Fields(text)
	if len(f) != 5 && len(f) != 6 {
		t.Fatalf("bad line %q", text)
	}
	fn, mode, _ := strings.Cut(f[1], "/")
	op := history.Op{Client: f[0], Func: fn, Mode: mode, File: f[2], Result: history.OK}
	if len(f) == 6 {
		switch f[3] {
		case history.KindEmpty, history.KindAbsent, history.KindNUL, history.KindGarbage, history.KindPartial:
			op.Kind = f[3]
		default:
			op.Value = f[3]
			if strings.Contains(f[3], ",") {
				op.Kind = history.KindTorn
			}
		}
	}
	ms := func(s string) int64 {
		d, err := time.ParseDuration(s + "ms")
		if err != nil {
			t.Fatalf("bad line %q: %v", text, err)
		}
		return d.Nanoseconds()
	}
	ret, failed := strings.CutSuffix(f[len(f)-1], "!")
	if failed {
		op.Result = history.Fail
	}
	op.Invoke = ms(f[len(f)-2])
	if ret == "?" {
		op.Result = history.Unknown
		return op
	}
	op.Return = ms(ret)
	return op
}

func lines(t testing.TB, text string) []history.Op {
	t.Helper()
	var ops []history.Op
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) != "" {
			ops = append(ops, line(t, l))
		}
	}
	return ops
}

func TestModels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		model   string
		history string
		want    Verdict
		witness int    // operations in the witness, if violated
		words   string // part of the words
	}{
		{"open sees last close", CloseToOpen, `
			a write/close f one 10 20
			b read/reopen f one 30 40`, Holds, 0, ""},
		{"open misses last close", CloseToOpen, `
			a write/close f one 10 20
			a write/close f two 30 40
			b read/reopen f one 50 60`, Violated, 3, "still read"},
		{"open misses last close but overlaps it", CloseToOpen, `
			a write/close f one 10 20
			a write/close f two 30 55
			b read/reopen f one 50 60`, Holds, 0, ""},
		{"held descriptor may be stale", CloseToOpen, `
			a write/close f one 10 20
			b open f 25 26
			a write/close f two 30 40
			b read/held-ro f one 50 60`, Holds, 0, ""},
		{"unflushed write need not be seen", CloseToOpen, `
			a write/close f one 10 20
			a write/unflushed f two 30 31
			b read/reopen f one 50 60`, Holds, 0, ""},
		{"close that failed need not be seen", CloseToOpen, `
			a write/close f one 10 20
			a write/unflushed f two 30 31
			a close f 32 33!
			b read/reopen f one 50 60`, Holds, 0, ""},
		{"close by the lane publishes", CloseToOpen, `
			a write/close f one 10 20
			a write/unflushed f two 30 31
			a close f 32 33
			b read/reopen f one 50 60`, Violated, 3, "still read"},
		{"value from the future", CloseToOpen, `
			b read/reopen f one 1 2
			a write/close f one 10 20`, Violated, 2, "before it was written"},
		{"empty while a writer truncates", CloseToOpen, `
			a write/close f one 10 20
			a write/close f two 30 60
			b read/reopen f EMPTY 40 50`, Holds, 0, ""},
		{"empty after the close", CloseToOpen, `
			a write/close f one 10 20
			b read/reopen f EMPTY 40 50`, Violated, 2, "still read EMPTY"},
		{"absent after a rename", CloseToOpen, `
			a rename f one 10 20
			b read/reopen f ENOENT 40 50`, Violated, 2, "still read ENOENT"},
		{"absent after an unlink", CloseToOpen, `
			a write/close f one 10 20
			a unlink f 30 31
			b read/reopen f ENOENT 40 50`, Holds, 0, ""},
		{"two writers at once, either may win", CloseToOpen, `
			a write/close f one 10 30
			c write/close f two 20 40
			b read/reopen f one 50 60
			b read/reopen f two 70 80`, Holds, 0, ""},
		{"token written twice", CloseToOpen, `
			a write/close f one 10 20
			a write/close f one 30 40
			b read/reopen f one 50 60`, Unknown, 0, "written twice"},
		{"nothing to check", CloseToOpen, `a write/close f one 10 20`, Unknown, 0, "nothing"},

		{"older after newer", MonotonicReads, `
			a write/close f one 10 20
			a write/close f two 30 40
			b read f two 50 60
			b read f one 70 80`, Violated, 3, "older"},
		{"older after newer by two lanes", MonotonicReads, `
			a write/close f one 10 20
			a write/close f two 30 40
			b read f two 50 60
			c read f one 70 80`, Holds, 0, ""},
		{"concurrent versions have no order", MonotonicReads, `
			a write/close f one 10 30
			c write/close f two 20 40
			b read f two 50 60
			b read f one 70 80
			b read f two 90 95`, Holds, 0, ""},
		{"empty after data", MonotonicReads, `
			a write/fsync f one 10 20
			b read f one 50 60
			b read f EMPTY 70 80`, Violated, 2, "older"},

		{"own write missed", ReadYourWrites, `
			a write/close f one 10 20
			b write f two 30 40
			b read f one 50 60`, Violated, 3, "older"},
		{"own write replaced by another's", ReadYourWrites, `
			b write f two 30 40
			a write/close f one 45 48
			b read f one 50 60`, Holds, 0, ""},
		{"others' writes do not count", ReadYourWrites, `
			a write/close f one 10 20
			a write/close f two 30 40
			b read f one 50 60`, Unknown, 0, "nothing"},

		{"torn read", Untorn, `
			a write/close f one 10 20
			c write/close f two 10 20
			b read f one,two 50 60`, Violated, 3, "TORN"},
		{"token that nobody wrote", Untorn, `
			a write/close f one 10 20
			b read f three 50 60`, Violated, 1, "nobody wrote"},
		{"disk holds NUL", Untorn, `
			a write/close f one 10 20
			disk truth f NUL 50 60`, Violated, 1, "NUL"},

		{"acknowledged and there", Durable, `
			a write/close f one 10 20
			disk truth f one 90 91`, Holds, 0, ""},
		{"acknowledged and gone", Durable, `
			a write/close f one 10 20
			a write/close f two 30 40
			disk truth f one 90 91`, Violated, 2, "acknowledged"},
		{"acknowledged by fsync and gone", Durable, `
			a write f one 10 20
			a fsync f 21 22
			disk truth f EMPTY 90 91`, Violated, 3, "older EMPTY"},
		{"never acknowledged may be gone", Durable, `
			a write/close f one 10 20
			a write f two 30 40
			a fsync f 41 42!
			disk truth f one 90 91`, Holds, 0, ""},
		{"no answer may have happened", Durable, `
			a write/close f one 10 20
			a write/close f two 30 ?
			disk truth f two 90 91`, Holds, 0, ""},
		{"nobody looked", Durable, `a write/close f one 10 20`, Unknown, 0, "nobody looked"},
		{"disk shows nonsense", Durable, `
			a write/close f one 10 20
			disk truth f GARBAGE 90 91`, Violated, 2, "GARBAGE"},
		{"nonsense with a write in doubt", Durable, `
			a write/close f one 10 20
			a write/close f two 30 ?
			disk truth f GARBAGE 90 91`, Unknown, 0, "may be why"},

		{"log complete", AppendLog, `
			a append/fsync l r1 10 20
			b append/fsync l r2 10 20
			disk truth l r2 90 91
			disk truth l r1 90 91`, Holds, 0, ""},
		{"record lost", AppendLog, `
			a append/fsync l r1 10 20
			b append/fsync l r2 10 20
			disk truth l r2 90 91`, Violated, 1, "not in the log"},
		{"unflushed record may be lost", AppendLog, `
			a append l r1 10 20
			b append/fsync l r2 10 20
			disk truth l r2 90 91`, Holds, 0, ""},
		{"record twice", AppendLog, `
			a append/fsync l r1 10 20
			disk truth l r1 90 91
			disk truth l r1 90 91`, Violated, 3, "twice"},
		{"record tried twice", AppendLog, `
			a append/fsync l r1 10 20!
			a append/fsync l r1 30 40
			disk truth l r1 90 91
			disk truth l r1 90 91`, Holds, 0, ""},
		{"record tried twice and lost", AppendLog, `
			a append/fsync l r1 10 ?
			a append/fsync l r1 30 40
			disk truth l EMPTY 90 91`, Violated, 1, "not in the log"},
		{"record torn", AppendLog, `
			a append/fsync l r1 10 20
			disk truth l r1 90 91
			disk truth l r1,r2 90 91`, Violated, 1, "TORN"},
		{"log ends in the beginning of a record without an answer", AppendLog, `
			a append/fsync l r1 10 20
			a append/fsync l r2 30 ?
			disk truth l r1 90 91
			disk truth l PARTIAL 90 91`, Holds, 0, ""},
		{"log ends in the beginning of an unflushed record", Untorn, `
			a append l r1 10 20
			disk truth l PARTIAL 90 91`, Holds, 0, ""},
		{"log ends in the beginning of a record that nobody appended", AppendLog, `
			a append/fsync l r1 10 20
			a append/fsync l r2 30 ?
			disk truth l r1 90 91
			disk truth l r2 90 91
			disk truth l PARTIAL 90 91`, Violated, 1, "PARTIAL"},
		{"record cut short in the middle of the log", AppendLog, `
			a append/fsync l r1 10 20
			a append/fsync l r2 30 ?
			disk truth l PARTIAL 90 91
			disk truth l r1 90 91`, Violated, 1, "PARTIAL"},
		{"acknowledged record cut short", AppendLog, `
			a append/fsync l r1 10 20
			a append/fsync l r2 30 40
			disk truth l r1 90 91
			disk truth l PARTIAL 90 91`, Violated, 1, "not in the log"},
		{"record from nowhere", AppendLog, `
			a append/fsync l r1 10 20
			disk truth l r1 90 91
			disk truth l r7 90 91`, Violated, 1, "nobody appended"},
		{"log lost, asked for durability", Durable, `
			a append/fsync l r1 10 20
			disk truth l EMPTY 90 91`, Violated, 1, "not in the log"},

		{"lock handed over", Exclusion, `
			a lock l 10 20
			a unlock l 30 40
			b lock l 15 35
			b unlock l 50 51`, Holds, 0, ""},
		{"lock held by two", Exclusion, `
			a lock l 10 20
			b lock l 25 30
			a unlock l 40 41
			b unlock l 50 51`, Violated, 2, "before a/ gave it back"},
		{"shared locks", Exclusion, `
			a lock/shared l 10 20
			b lock/shared l 25 30
			a unlock l 40 41
			b unlock l 50 51`, Holds, 0, ""},
		{"shared against exclusive", Exclusion, `
			a lock/shared l 10 20
			b lock l 25 30
			a unlock l 40 41
			b unlock l 50 51`, Violated, 2, ""},
		{"close gives back", Exclusion, `
			a lock l 10 20
			a close l 22 24
			b lock l 25 30
			b unlock l 50 51`, Holds, 0, ""},
		{"never given back, but still at work", Exclusion, `
			a lock l 10 20
			b lock l 25 30
			a write l x 40 41
			b unlock l 50 51`, Violated, 2, ""},
		{"refused", Exclusion, `
			a lock l 10 20
			b lock l 25 30!
			a unlock l 40 41`, Holds, 0, ""},
		{"long first holder, seen past a short second", Exclusion, `
			a lock l 10 20
			a unlock l 90 91
			b lock/shared l 95 96
			b unlock l 97 98
			c lock l 50 60
			c unlock l 70 80`, Violated, 2, ""},

		{"linearizable", Linearizable, `
			a write f one 10 20
			b read f one 15 25
			a write f two 30 40
			b read f two 50 60`, Holds, 0, ""},
		{"stale read", Linearizable, `
			a write f one 10 20
			a write f two 30 40
			b read f one 50 60`, Violated, 3, "one after the other"},
		{"deleted and created again", Linearizable, `
			a write f one 10 20
			a unlink f 30 40
			b read f ENOENT 50 60
			a create f 70 80
			b read f EMPTY 90 95`, Holds, 0, ""},
		{"back from the dead", Linearizable, `
			a write f one 10 20
			a unlink f 30 40
			b read f ENOENT 50 60
			b read f one 70 80`, Violated, 3, "cannot have happened one after the other"},
		{"gone and back while it is deleted", Linearizable, `
			a write f one 10 20
			a unlink f 30 90
			b read f ENOENT 40 50
			b read f one 60 70`, Violated, 2, "at the latest from here"},
		{"no such model", "sequential", `a write f one 10 20`, Unknown, 0, "no such model"},
	}
	for _, tt := range tests {
		t.Run(tt.model+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			got := only(t, lines(t, tt.history), tt.model)
			if got.Verdict != tt.want || !strings.Contains(got.Words, tt.words) {
				t.Errorf("got %s (%s), want %s with %q", got.Verdict, got.Words, tt.want, tt.words)
			}
			if len(got.Witness) != tt.witness {
				t.Errorf("witness has %d operations, want %d:\n%s", len(got.Witness), tt.witness, dump(got.Witness))
			}
		})
	}
}

func TestStalenessFigures(t *testing.T) {
	t.Parallel()
	const windows = `
		a write/close f one 10 20
		b read/held-ro f one 30 31
		a write/close f two 100 110
		b read/held-ro f one 111 112
		b read/held-ro f one 1110 1111
		b read/held-ro f one 2110 2111
		b read/held-ro f two 3000 3001`
	tests := []struct {
		name    string
		history string
		bound   time.Duration
		want    Verdict
		figure  string
	}{
		{"became fresh", windows, 0, Holds, "2000 ms (min 1.0, median 1000, p95 2000, n=3)"},
		{"beyond the bound", windows, time.Second, Violated, "2000 ms (min 1.0, median 1000, p95 2000, n=3)"},
		{"within the bound", windows, 3 * time.Second, Holds, "2000 ms (min 1.0, median 1000, p95 2000, n=3)"},
		{"never became fresh", windows + "\na write/close f three 4000 4010\nb read/held-ro f two 9010 9011", 0, Unknown, "> 5000 ms (min 1.0, median 1500, p95 5000, n=4)"},
		{"stale at the end, but no longer than before", windows + "\na write/close f three 4000 4010\nb read/held-ro f two 4020 4021", 0, Holds, "2000 ms (min 1.0, median 505, p95 2000, n=4)"},
		{"never stale", "a write/close f one 10 20\nb read f one 30 31", 0, Holds, ""},
		{"unflushed is not on the server", "a write/close f one 10 20\na write f two 25 26\nb read f one 30 31", 0, Holds, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Check(t.Context(), lines(t, tt.history), Options{Models: []string{BoundedStale}, Bound: tt.bound})[0]
			if got.Verdict != tt.want || got.Figure.Detail() != tt.figure {
				t.Errorf("got %s, %q (%s); want %s, %q", got.Verdict, got.Figure.Detail(), got.Words, tt.want, tt.figure)
			}
		})
	}
}

func TestStalenessRestsOnWideIntervals(t *testing.T) {
	t.Parallel()
	ops := lines(t, `
		a write/close f one 10 20
		a write/close f two 30 40
		b read f one 50 60`)
	ops[2].ErrNS = 20e6 // the read may have been invoked before the write returned
	if got := only(t, ops, BoundedStale); got.Figure != nil {
		t.Errorf("a read that may be fresh is counted as stale: %s", got.Figure.Detail())
	}
	ops[2].ErrNS = 2e6
	if got := only(t, ops, BoundedStale); got.Figure.Detail() != "> 10.0 ms (±2 ms)" {
		t.Errorf("got %s", got.Figure.Detail())
	}
	ops[2].OuterInvoke, ops[2].OuterReturn = 39e6, 61e6
	if got := only(t, ops, BoundedStale); got.Figure != nil {
		t.Errorf("the controller's interval is not used: %s", got.Figure.Detail())
	}
}

func TestExclusionFigure(t *testing.T) {
	t.Parallel()
	got := only(t, lines(t, `
		a lock l 10 20
		b lock l 1000 1020
		a unlock l 4020 4030
		b unlock l 5000 5001`), Exclusion)
	if got.Figure.String() != "3.0 s" {
		t.Errorf("got %s", got.Figure.Detail())
	}
}

func TestBrokenCheckerIsUnknown(t *testing.T) {
	t.Parallel()
	breaks := func(_ context.Context, v *view, t *tally, _ Options) {
		t.checked++
		if v.name == "bad" {
			t.violated, t.words = 7, "half done"
			panic("index out of range")
		}
		if v.name == "violated" {
			t.violate(nil, "really")
		}
	}
	fake := []model{{name: "fake", check: breaks}}
	got := check(t.Context(), fake, lines(t, "a read good x 1 2\na read bad y 1 2"), Options{})
	want := []Result{{Model: "fake", Verdict: Unknown, Words: `file "bad": checker broke: index out of range`, Checked: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got = check(t.Context(), fake, lines(t, "a read bad x 1 2\na read violated y 1 2"), Options{})
	if got[0].Verdict != Violated {
		t.Errorf("violated does not beat unknown: %+v", got[0])
	}
}

func TestEndedContextIsUnknown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range Check(ctx, simulate(1, 60, 2, false), Options{}) {
		if r.Verdict != Unknown {
			t.Errorf("%s is %s", r.Model, r.Verdict)
		}
	}
}

// TestSearchOutOfTime gives the search a history that the single pass cannot
// judge, and that has more orders than can be tried.
func TestSearchOutOfTime(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "c%d write f t%d 10 20\n", i, i)
	}
	text.WriteString("a unlink f 10 20\nb read f t1 30 31\nb read f t2 40 41\n")
	got := Check(t.Context(), lines(t, text.String()), Options{Models: []string{Linearizable}, Linearizable: 50 * time.Millisecond})[0]
	if got.Verdict != Unknown || !strings.Contains(got.Words, "no answer within 50ms") {
		t.Errorf("got %s: %s", got.Verdict, got.Words)
	}
}
