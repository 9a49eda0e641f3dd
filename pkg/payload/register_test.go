package payload

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustRegister(t testing.TB, token string, seq int64, size int) []byte {
	t.Helper()
	data, err := Register(token, seq, size)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDecode(t *testing.T) {
	t.Parallel()
	a := mustRegister(t, "a-1", 1, 256)
	b := mustRegister(t, "b-2", 2, 256)
	long := mustRegister(t, "a-1", 1, 512)
	zeros := make([]byte, 256)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

	tests := []struct {
		name string
		data []byte
		want Value
	}{
		{"whole", a, Value{Kind: Token, Size: 256, Token: "a-1", Seq: 1}},
		{"empty", nil, Value{Kind: Empty}},
		{"cut between blocks", a[:128], Value{Kind: Short, Size: 128, Token: "a-1", Seq: 1}},
		{"cut within a block", a[:100], Value{Kind: Short, Size: 100, Token: "a-1", Seq: 1}},
		{"cut within the first block", a[:40], Value{Kind: Short, Size: 40}},
		{"two values", join(a[:128], b[128:]), Value{Kind: Torn, Size: 256, Tokens: []Share{{"a-1", 1, 2}, {"b-2", 2, 2}}}},
		{"new over the longer old", join(a, long[256:]), Value{Kind: Torn, Size: 512, Tokens: []Share{{"a-1", 1, 4}, {"a-1", 1, 4}}}},
		{"zeros", zeros, Value{Kind: NUL, Size: 256, NULBytes: 256}},
		{"zeros in front", join(zeros[:128], a[128:]), Value{Kind: NUL, Size: 256, Tokens: []Share{{"a-1", 1, 2}}, NULBytes: 128}},
		{"zeros behind", join(a, zeros[:50]), Value{Kind: NUL, Size: 306, Tokens: []Share{{"a-1", 1, 4}}, NULBytes: 50, FirstBad: 256}},
		{"foreign text", []byte("hello\n"), Value{Kind: Garbage, Size: 6, BadBytes: 6}},
		{"foreign text behind", join(a, []byte("hello\n")), Value{Kind: Garbage, Size: 262, Tokens: []Share{{"a-1", 1, 4}}, BadBytes: 6, FirstBad: 256}},
		{"block in the wrong place", join(a[64:128], a[64:]), Value{Kind: Garbage, Size: 256, Tokens: []Share{{"a-1", 1, 3}}, BadBytes: 64}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Decode(tt.data)); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecodeEveryFlip changes every byte in every bit, and to every neighbour
// in the alphabet: none may pass for the value that was written.
func TestDecodeEveryFlip(t *testing.T) {
	t.Parallel()
	data := mustRegister(t, "worker1-0042", 42, 4*BlockSize)
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			if v := Decode(bad); v.Whole() {
				t.Fatalf("byte %d, bit %d flipped: decoded as %s", i, bit, v)
			}
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		token string
		seq   int64
		size  int
	}{
		{"no token", "", 1, 64},
		{"long token", strings.Repeat("x", NameMax+1), 1, 64},
		{"space in token", "a b", 1, 64},
		{"size 0", "a", 1, 0},
		{"odd size", "a", 1, 65},
		{"large size", "a", 1, MaxRegister + BlockSize},
		{"negative seq", "a", -1, 64},
		{"large seq", "a", MaxRegisterSeq + 1, 64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Register(tt.token, tt.seq, tt.size); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestValueString(t *testing.T) {
	t.Parallel()
	a, b := mustRegister(t, "a", 1, 128), mustRegister(t, "b", 2, 128)
	tests := []struct {
		data []byte
		want string
	}{
		{a, "a"},
		{nil, "EMPTY"},
		{a[:64], "SHORT(a,64 bytes)"},
		{append(bytes.Clone(a[:64]), b[64:]...), "TORN(a,b)"},
		{make([]byte, 64), "NUL"},
	}
	for _, tt := range tests {
		if got := Decode(tt.data).String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(mustRegister(f, "a", 1, 128))
	f.Add(make([]byte, 100))
	f.Add([]byte("R1 "))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := Decode(data)
		if v.Kind == "" || v.NULBytes+v.BadBytes > int64(len(data)) {
			t.Fatalf("%+v of %d bytes", v, len(data))
		}
		if !v.Whole() {
			return
		}
		again, err := Register(v.Token, v.Seq, len(data))
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("whole, but not what Register(%s, %d, %d) makes (%v)", v.Token, v.Seq, len(data), err)
		}
	})
}
