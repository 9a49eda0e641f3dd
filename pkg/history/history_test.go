package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample(i int) Op {
	return Op{Client: "worker1", Lane: "w", Func: Write, File: "dir/f", Mode: ModeClose, Value: fmt.Sprintf("token-%d", i),
		Kind: KindToken, Seq: int64(i), Size: 5000, Invoke: int64(i)*100 + 1, Return: int64(i)*100 + 50, ErrNS: 7, Result: OK}
}

func record(t testing.TB, ops ...Op) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	r, err := NewRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(ops...); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecordAndLoad(t *testing.T) {
	t.Parallel()
	var want []Op
	for i := range 2 * sampled {
		want = append(want, sample(i))
	}
	want[3] = Op{Client: ClientDisk, Func: Truth, File: "a\nb", Errno: "ESTALE", Result: Fail, Mtime: 1, Ino: 2, Offset: 3, OuterInvoke: 4, OuterReturn: 5}
	got, rep, err := LoadFile(record(t, want...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(Report{Ops: len(want)}, rep); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	r, err := NewRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				if err := r.Add(sample(g*100 + i)); err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					if err := r.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if r.Len() != 800 {
		t.Errorf("Len is %d", r.Len())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := r.Add(sample(1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("add after close: %v", err)
	}
	ops, _, err := LoadFile(path)
	if err != nil || len(ops) != 800 {
		t.Errorf("loaded %d operations: %v", len(ops), err)
	}
	if _, err := NewRecorder(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a history is written twice: %v", err)
	}
}

// TestLoadCutAnywhere cuts a file short at every byte: what was written whole
// is loaded, and the rest is said to be torn.
func TestLoadCutAnywhere(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(record(t, sample(1), sample(2), sample(3)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		ops, rep, err := Load(bytes.NewReader(data[:n]))
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		whole := bytes.Count(data[:n], []byte("}"))
		atEnd := n == 0 || data[n-1] == '\n' || data[n-1] == '}'
		if len(ops) != whole || rep.CutShort == atEnd {
			t.Fatalf("cut at %d: %d operations, torn %t", n, len(ops), rep.CutShort)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
	}{
		{"bad line in the middle", "{\"client\":\"a\"}\nnonsense\n{}\n", "line 2"},
		{"bad last line with its newline", "{}\nnonsense\n", "line 2"},
		{"line too long", strings.Repeat("x", MaxLine+2) + "\n", "longer than"},
		{"line too long, never ending", strings.Repeat("x", MaxLine+2), "longer than"},
		{"wrong type", "{\"invoke\":\"soon\"}\n", "invoke"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, _, err := LoadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	stop := errors.New("enough")
	for _, text := range []string{"{}\n{}\n", "{}"} {
		if _, err := Each(strings.NewReader(text), func(*Op) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("Each of %q hides the error of its function: %v", text, err)
		}
	}
}

func TestRecorderRefusesLongLines(t *testing.T) {
	t.Parallel()
	r, err := NewRecorder(filepath.Join(t.TempDir(), "h"))
	if err != nil {
		t.Fatal(err)
	}
	op := sample(1)
	op.Value = strings.Repeat("x", MaxLine)
	if err := r.Add(op); err == nil {
		t.Error("no error")
	}
	if err := errors.Join(r.Add(sample(2)), r.Close()); err != nil {
		t.Errorf("recorder is dead after a refused operation: %v", err)
	}
}

func TestWide(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		op          Op
		invoke, ret int64
	}{
		{"mapped", Op{Invoke: 100, Return: 200, ErrNS: 10}, 90, 210},
		{"outer", Op{Invoke: 100, Return: 200, ErrNS: 10, OuterInvoke: 80, OuterReturn: 250}, 80, 250},
		{"outer half", Op{Invoke: 100, Return: 200, ErrNS: 10, OuterInvoke: 80}, 80, 210},
		{"no answer", Op{Invoke: 100, ErrNS: 10, Result: Unknown}, 90, Forever},
		{"no answer but the controller gave up", Op{OuterInvoke: 80, Result: Unknown}, 80, Forever},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if invoke, ret := tt.op.Wide(); invoke != tt.invoke || ret != tt.ret {
				t.Errorf("got %d..%d, want %d..%d", invoke, ret, tt.invoke, tt.ret)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := func(change func(*Op)) []Op {
		ops := []Op{sample(1), sample(2)}
		change(&ops[1])
		return ops
	}
	tests := []struct {
		name string
		ops  []Op
		want string // "" for valid
	}{
		{"valid", good(func(*Op) {}), ""},
		{"empty", nil, ""},
		{"token twice", good(func(op *Op) { op.Value = "token-1" }), "written to"},
		{"record appended again", []Op{
			{Client: "a", Func: Append, File: "l", Value: "r", Invoke: 1, Result: Unknown},
			{Client: "a", Func: Append, File: "l", Value: "r", Invoke: 2, Return: 3, Result: OK}}, ""},
		{"record appended again after success", []Op{
			{Client: "a", Func: Append, File: "l", Value: "r", Invoke: 1, Return: 2, Result: OK},
			{Client: "a", Func: Append, File: "l", Value: "r", Invoke: 3, Return: 4, Result: OK}}, "written to"},
		{"same token in two files", good(func(op *Op) { op.Value, op.File = "token-1", "g" }), ""},
		{"return before invoke", good(func(op *Op) { op.Return = op.Invoke - 1 }), "before it was invoked"},
		{"answer before question", good(func(op *Op) { op.OuterInvoke, op.OuterReturn = op.Invoke-5, op.Invoke-6 }), "before it was sent"},
		{"invoked before sent", good(func(op *Op) { op.OuterInvoke = op.Invoke + 100 }), "clock map"},
		{"returned after answer", good(func(op *Op) { op.OuterReturn = op.Return - 8 }), "clock map"},
		{"within the bound", good(func(op *Op) { op.OuterInvoke, op.OuterReturn = op.Invoke+7, op.Return-7 }), ""},
		{"ok without return", good(func(op *Op) { op.Return = 0 }), "without a return"},
		{"unknown without return", good(func(op *Op) { op.Return, op.Result = 0, Unknown }), ""},
		{"unknown result", good(func(op *Op) { op.Result = "maybe" }), "unknown result"},
		{"unknown function", good(func(op *Op) { op.Func = "flock" }), "unknown function"},
		{"no client", good(func(op *Op) { op.Client = "" }), "no client"},
		{"negative", good(func(op *Op) { op.ErrNS = -1 }), "negative"},
		{"out of range", good(func(op *Op) { op.Invoke = Forever; op.Return = Forever }), "out of range"},
		{"overlap in a lane", good(func(op *Op) { op.Invoke = 120 }), "overlaps operation 0"},
		{"overlap in two lanes", good(func(op *Op) { op.Invoke, op.Lane = 120, "x" }), ""},
		{"overlap within the error", good(func(op *Op) { op.Invoke = 140 }), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			problems := Validate(tt.ops)
			if tt.want == "" {
				if len(problems) > 0 {
					t.Errorf("got %v", problems)
				}
				return
			}
			if len(problems) == 0 || !strings.Contains(problems[0].String(), tt.want) || problems[0].Op != 1 {
				t.Errorf("got %v, want %q", problems, tt.want)
			}
		})
	}
	if n := len(Validate(make([]Op, 1000))); n != maxProblems {
		t.Errorf("%d problems", n)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"client":"a","func":"read","file":"f","invoke":1,"return":2,"result":"ok"}` + "\n"))
	f.Add([]byte("{}\n\n{\"value\":\"\xff\"}\n{\"cut"))
	f.Add([]byte("nonsense\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ops, rep, err := Load(bytes.NewReader(data))
		if err != nil {
			return
		}
		if rep.Ops != len(ops) {
			t.Fatalf("report says %d, there are %d", rep.Ops, len(ops))
		}
		Validate(ops)
		for i := range ops {
			ops[i].Wide()
		}
		again, rep2, err := LoadFile(record(t, ops...))
		if err != nil || rep2.CutShort {
			t.Fatalf("load what was recorded: %v, torn %t", err, rep2.CutShort)
		}
		if diff := cmp.Diff(ops, again); diff != "" {
			t.Errorf("(-first +again)\n%s", diff)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	var ops []Op
	for i := range 100_000 {
		ops = append(ops, sample(i))
	}
	path := record(b, ops...)
	for b.Loop() {
		if _, _, err := LoadFile(path); err != nil {
			b.Fatal(err)
		}
	}
}
