package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func mustRecord(t testing.TB, client string, seq int64, size int) []byte {
	t.Helper()
	b, err := Record{Client: client, Seq: seq}.Append(nil, size)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != size {
		t.Fatalf("record of %d bytes, want %d", len(b), size)
	}
	return b
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{MinRecord, 65, 100, 512, MaxRecord} {
		for _, seq := range []int64{0, 1, MaxRecordSeq} {
			want := Record{Client: strings.Repeat("c", NameMax), Seq: seq}
			b, err := want.Append(nil, size)
			if err != nil {
				t.Fatal(err)
			}
			got, n, ok := ParseRecord(append(b, "rest"...))
			if !ok || n != size || got != want {
				t.Errorf("size %d: got %+v, %d, %v", size, got, n, ok)
			}
		}
	}
}

func TestRecordEveryFlip(t *testing.T) {
	t.Parallel()
	data := mustRecord(t, "pod-1", 7, 128)
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			if rec, n, ok := ParseRecord(bad); ok {
				t.Fatalf("byte %d, bit %d flipped: parsed as %+v of %d bytes", i, bit, rec, n)
			}
		}
	}
}

func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rec  Record
		size int
	}{
		{"no client", Record{Seq: 1}, 64},
		{"newline in client", Record{Client: "a\n", Seq: 1}, 64},
		{"short", Record{Client: "a"}, MinRecord - 1},
		{"long", Record{Client: "a"}, MaxRecord + 1},
		{"negative", Record{Client: "a", Seq: -1}, 64},
		{"large", Record{Client: "a", Seq: MaxRecordSeq + 1}, 64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tt.rec.Append(nil, tt.size); err == nil {
				t.Error("no error")
			}
		})
	}
}

// scanAll returns the items in a compact form: R(client,seq)@offset, NUL(8)@64.
func scanAll(t testing.TB, r io.Reader, base int64) []string {
	t.Helper()
	var out []string
	next := base
	s := NewScanner(r, base)
	for s.Scan() {
		it := s.Item()
		if it.Offset != next || it.Len <= 0 {
			t.Fatalf("item %+v, want one at %d", it, next)
		}
		next += it.Len
		if it.Kind == RecordItem {
			out = append(out, fmt.Sprintf("R(%s,%d)@%d", it.Record.Client, it.Record.Seq, it.Offset))
		} else {
			out = append(out, fmt.Sprintf("%s(%d)@%d", it.Kind, it.Len, it.Offset))
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return out
}

func TestScanner(t *testing.T) {
	t.Parallel()
	a1, a2, b1 := mustRecord(t, "a", 1, 64), mustRecord(t, "a", 2, 64), mustRecord(t, "b", 1, 100)
	flipped := bytes.Clone(a2)
	flipped[50] ^= 1
	tests := []struct {
		name  string
		parts [][]byte
		want  []string
	}{
		{"nothing", nil, nil},
		{"records of two sizes", [][]byte{a1, b1, a2}, []string{"R(a,1)@0", "R(b,1)@64", "R(a,2)@164"}},
		{"hole", [][]byte{a1, make([]byte, 64), a2}, []string{"R(a,1)@0", "NUL(64)@64", "R(a,2)@128"}},
		{"hole larger than the buffer", [][]byte{a1, make([]byte, 200<<10), a2}, []string{"R(a,1)@0", "NUL(204800)@64", "R(a,2)@204864"}},
		{"flipped byte", [][]byte{a1, flipped, b1}, []string{"R(a,1)@0", "TORN(64)@64", "R(b,1)@128"}},
		{"cut in the middle", [][]byte{a1, a2[:30], b1}, []string{"R(a,1)@0", "TORN(30)@64", "R(b,1)@94"}},
		{"head missing", [][]byte{a1[10:], a2}, []string{"TORN(54)@0", "R(a,2)@54"}},
		{"cut at the end", [][]byte{a1, a2[:50]}, []string{"R(a,1)@0", "PARTIAL(50)@64"}},
		{"one byte of the last", [][]byte{a1, a2[:1]}, []string{"R(a,1)@0", "PARTIAL(1)@64"}},
		{"zeros at the end of a cut record", [][]byte{a1, a2[:50], make([]byte, 14)}, []string{"R(a,1)@0", "TORN(50)@64", "NUL(14)@114"}},
		{"foreign text", [][]byte{[]byte("hello\n"), a1}, []string{"TORN(6)@0", "R(a,1)@6"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := bytes.Join(tt.parts, nil)
			if diff := cmp.Diff(tt.want, scanAll(t, bytes.NewReader(data), 0)); diff != "" {
				t.Errorf("at once (-want +got):\n%s", diff)
			}
			if len(data) < 4096 {
				if diff := cmp.Diff(tt.want, scanAll(t, iotest.OneByteReader(bytes.NewReader(data)), 0)); diff != "" {
					t.Errorf("byte by byte (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestScannerReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	s := NewScanner(io.MultiReader(bytes.NewReader(mustRecord(t, "a", 1, 64)), iotest.ErrReader(broken)), 0)
	n := 0
	for s.Scan() {
		n++
	}
	if n != 1 || !errors.Is(s.Err(), broken) {
		t.Errorf("%d items, error %v", n, s.Err())
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	var log []byte
	add := func(client string, seqs ...int64) {
		for _, s := range seqs {
			log = append(log, mustRecord(t, client, s, 64)...)
		}
	}
	add("a", 1, 2, 3)
	add("b", 10)
	log = append(log, make([]byte, 32)...)
	add("a", 5, 7, 6, 2)
	log = append(log, "torn"...)
	add("b", 11)
	log = append(log, mustRecord(t, "b", 12, 64)[:20]...)

	got, err := Summarize(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	want := LogSummary{
		Bytes: int64(len(log)), Records: 9, NULBytes: 32, TornBytes: 4, PartialBytes: 20, GapCount: 3,
		Gaps: []Item{{Kind: NULItem, Offset: 256, Len: 32}, {Kind: TornItem, Offset: 544, Len: 4}, {Kind: PartialItem, Offset: 612, Len: 20}},
		Clients: map[string]*ClientSummary{
			"a": {Records: 7, First: 1, Last: 7, Duplicates: 1, Repeated: []int64{2}, Backward: 2, Ranges: []Range{{1, 3}, {5, 7}}},
			"b": {Records: 2, First: 10, Last: 11, Ranges: []Range{{10, 11}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Summarize (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Range{{0, 0}, {4, 4}, {8, 9}}, got.Clients["a"].Missing(0, 9)); diff != "" {
		t.Errorf("Missing (-want +got):\n%s", diff)
	}
	if got.Clients["a"].Missing(5, 7) != nil {
		t.Error("Missing(5, 7) is not empty")
	}
	if !got.Has(Record{"a", 6}) || got.Has(Record{"a", 4}) || got.Has(Record{"c", 1}) {
		t.Error("Has is wrong")
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(append(mustRecord(f, "a", 1, 64), 0, 0, 'L'))
	f.Add([]byte("L1 "))
	f.Fuzz(func(t *testing.T, data []byte) {
		once := scanAll(t, bytes.NewReader(data), 100)
		slow := scanAll(t, iotest.HalfReader(bytes.NewReader(data)), 100)
		if diff := cmp.Diff(once, slow); diff != "" {
			t.Fatalf("depends on how it is read:\n%s", diff)
		}
		sum, err := Summarize(bytes.NewReader(data))
		if err != nil || sum.Bytes != int64(len(data)) {
			t.Fatalf("%d of %d bytes, %v", sum.Bytes, len(data), err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add(mustRecord(f, "a", 1, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, n, ok := ParseRecord(data)
		if !ok {
			return
		}
		again, err := rec.Append(nil, n)
		if err != nil {
			t.Fatal(err)
		}
		if got, m, ok := ParseRecord(again); !ok || m != n || got != rec {
			t.Fatalf("%+v of %d bytes became %+v of %d", rec, n, got, m)
		}
	})
}
