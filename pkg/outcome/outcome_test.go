package outcome

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVocabulary(t *testing.T) {
	t.Parallel()
	seen := make(map[Word]bool)
	for _, w := range Words() {
		if seen[w] {
			t.Errorf("%s is there twice", w)
		}
		seen[w] = true
		if w.Doc() == "" || strings.ToUpper(string(w)) != string(w) || strings.HasSuffix(w.Doc(), ".") {
			t.Errorf("%s: doc line is %q", w, w.Doc())
		}
		if u := w.Unit(); u != "" && u != "s" && u != "ms" {
			t.Errorf("%s: unit is %q", w, u)
		}
	}
	var grouped []Word
	for _, g := range Groups() {
		for i, w := range g.Words() {
			if w.Severity() != i || w.Group() != g {
				t.Errorf("%s: severity %d in %s, want %d in %s", w, w.Severity(), w.Group(), i, g)
			}
		}
		grouped = append(grouped, g.Words()...)
	}
	if diff := cmp.Diff(Words(), grouped); diff != "" {
		t.Errorf("words and groups differ (-words +groups)\n%s", diff)
	}
	if w := Word("FINE"); w.Known() || w.Severity() != -1 || w.Group() != "" || w.Unit() != "" || w.Doc() != "" {
		t.Errorf("%s is known", w)
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		worse, better Word
		want          bool
	}{
		{LostUpdate, Linearizable, true},
		{CloseToOpen, Linearizable, true},
		{Linearizable, LostUpdate, false},
		{Corrupt, AckedLost, true},
		{KubeletWedged, EIO, true},
		{ZombieWriter, TwoWriters, true},
		{DataLost, Kept, true},
		{InfraError, NoFault, true},
		{Corrupt, Clean, false}, // of different groups
		{Clean, Clean, false},
		{"FINE", Clean, false},
	}
	for _, tt := range tests {
		if got := tt.worse.WorseThan(tt.better); got != tt.want {
			t.Errorf("%s worse than %s: %t", tt.worse, tt.better, got)
		}
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	got := Worst([]Outcome{
		New(Linearizable, "first"),
		New(BoundedStale, "short").WithFigure(Millis(10, 0)),
		New(BoundedStale, "long").WithFigure(Millis(2900, 0)),
		New(BoundedStale, "none"),
		New(CloseToOpen, "better"),
		New(ZombieWriter, "a").WithFigure(Seconds(12.3, 0)),
		New(ZombieWriter, "b").WithFigure(&Figure{Value: 12.3, Unit: "s", More: true}),
		New(Clean, "same"), New(Clean, "again"),
		New("FINE", "unknown"),
	})
	evidence := make(map[Group]string)
	for g, o := range got {
		evidence[g] = o.Evidence
	}
	want := map[Group]string{Consistency: "long", Exclusion: "b", Cleanup: "same"}
	if diff := cmp.Diff(want, evidence); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestStringAndParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		o    Outcome
		want string
	}{
		{New(Clean, ""), "CLEAN"},
		{New(BoundedStale, "").WithFigure(Millis(2900, 0.3)), "BOUNDED_STALE(2900 ms)"},
		{New(ZombieWriter, "").WithFigure(Seconds(12.3, 0)), "ZOMBIE_WRITER(12.3 s)"},
		{New(Recovered, "").WithFigure(&Figure{Value: 20, Unit: "s", More: true}), "RECOVERED(> 20.0 s)"},
		{New(BoundedStale, "").WithFigure(Millis(0.84, 0)), "BOUNDED_STALE(0.84 ms)"},
		{New(BoundedStale, "").WithFigure(Millis(0, 0)), "BOUNDED_STALE(0 ms)"},
	}
	for _, tt := range tests {
		if got := tt.o.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		back, err := Parse(" " + tt.want + " ")
		if err != nil || back.String() != tt.want {
			t.Errorf("%q is read as %q: %v", tt.want, back, err)
		}
	}
	for _, bad := range []string{
		"", "FINE", "clean", "CLEAN(1 s)", "BOUNDED_STALE(", "BOUNDED_STALE(1)", "BOUNDED_STALE(1 h)",
		"BOUNDED_STALE(x ms)", "BOUNDED_STALE(NaN ms)", "BOUNDED_STALE(1e999 ms)", "BOUNDED_STALE(1 ms))", "BOUNDED_STALE(1 ms) x",
	} {
		if o, err := Parse(bad); err == nil {
			t.Errorf("%q is read as %q", bad, o)
		}
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	values := []float64{5, 1, 4, 2, 3}
	got := Summarize("ms", values, 0.5)
	want := &Figure{Value: 5, Unit: "ms", Min: 1, Median: 3, P95: 5, Max: 5, Count: 5, Err: 0.5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if values[0] != 5 {
		t.Error("the caller's values were sorted")
	}
	if got := Summarize("s", []float64{1, 2}, 0).Median; got != 1.5 {
		t.Errorf("median of two is %g", got)
	}
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(i+1))
	}
	if got := Summarize("s", hundred, 0).P95; got != 95 {
		t.Errorf("p95 of 1..100 is %g", got)
	}
	if Summarize("s", nil, 0) != nil {
		t.Error("a figure of nothing")
	}
}

func TestFigureDetail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		f    *Figure
		want string
	}{
		{nil, ""},
		{Millis(2900, 0), "2900 ms"},
		{Seconds(12.34, 0.05), "12.3 s (±0.05 s)"},
		{Summarize("ms", []float64{12, 1450, 2900}, 0.3), "2900 ms (min 12.0, median 1450, p95 2900, n=3, ±0.3 ms)"},
	}
	for _, tt := range tests {
		if got := tt.f.Detail(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestFigureJSON(t *testing.T) {
	t.Parallel()
	want := New(BoundedStale, "x").WithFigure(Summarize("ms", []float64{1, 2, 3}, 0.1)).From("pod", "disk").In("history.jsonl")
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Outcome
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, f := range []Figure{{Value: math.NaN(), Unit: "s"}, {Err: math.Inf(1), Unit: "s"}, {Unit: "min"}} {
		if data, err := json.Marshal(f); err == nil {
			t.Errorf("written as %s", data)
		}
	}
}

func TestBuildersDoNotShare(t *testing.T) {
	t.Parallel()
	base := New(Clean, "%d left", 0).From("node").In("a")
	one, two := base.From("disk").In("b"), base.From("wire").In("c")
	if one.Vantage[1] != "disk" || two.Vantage[1] != "wire" || one.Files[1] != "b" || len(base.Vantage) != 1 {
		t.Errorf("outcomes share memory: %v %v %v", base, one, two)
	}
	if base.Evidence != "0 left" || New(Clean, "100%").Evidence != "100%" {
		t.Errorf("evidence is %q", base.Evidence)
	}
}

func FuzzParse(f *testing.F) {
	for _, w := range Words() {
		f.Add(string(w))
	}
	f.Add("BOUNDED_STALE(2900 ms)")
	f.Add("ZOMBIE_WRITER(> 1e3 s)")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(o.String())
		if err != nil || again.String() != o.String() || again.Word != o.Word {
			t.Errorf("%q reads as %q and then as %q: %v", s, o, again, err)
		}
	})
}
