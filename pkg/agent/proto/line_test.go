package proto

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nfsim/nfsim/pkg/payload"
)

func TestLineReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLine-1)
	tests := []struct {
		name string
		in   string
		want []string
		err  error
	}{
		{"lines", "a\nb\n", []string{"a", "b"}, io.EOF},
		{"blank lines and carriage returns", "\n a \r\n\n", []string{"a"}, io.EOF},
		{"nothing", "", nil, io.EOF},
		{"cut", "a\nb", []string{"a"}, io.ErrUnexpectedEOF},
		{"longest", long + "\nb\n", []string{long, "b"}, io.EOF},
		{"too long", long + "x\n", nil, ErrLineTooLong},
		{"endless", long + long, nil, ErrLineTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewLineReader(strings.NewReader(tt.in))
			for _, want := range tt.want {
				if got, err := r.Next(); err != nil || string(got) != want {
					t.Fatalf("got %.20q, %v; want %.20q", got, err, want)
				}
			}
			if got, err := r.Next(); !errors.Is(err, tt.err) {
				t.Errorf("got %.20q, %v; want %v", got, err, tt.err)
			}
		})
	}
}

func TestDecodeMessage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line string
		want Message
		bad  bool
	}{
		{`{"id":1,"t0":5,"t1":6,"errno":"EIO"}`, Message{Response: &Response{ID: 1, T0: 5, T1: 6, Errno: "EIO"}}, false},
		{`{"id":1,"from_the_future":[{}]}`, Message{Response: &Response{ID: 1}}, false},
		{`{"late":2,"fd":3}`, Message{Late: &Response{Late: 2, FD: 3}}, false},
		{
			`{"event":"s1","n":4,"t0":5,"value":{"kind":"TOKEN","token":"a"}}`,
			Message{Event: &Event{Stream: "s1", N: 4, T0: 5, Value: &payload.Value{Kind: payload.Token, Token: "a"}}}, false,
		},
		{`{}`, Message{}, true},
		{`{"event":5}`, Message{}, true},
		{`[]`, Message{}, true},
		{`sh: not found`, Message{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			got, err := DecodeMessage([]byte(tt.line))
			if (err != nil) != tt.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add([]byte(`{"id":1,"steps":[{"call":"open"}],"value":{"kind":"TORN"}}`))
	f.Add([]byte(`{"late":1}`))
	f.Add([]byte(`{"event":"s","end":{"errnos":{"EIO":1}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := DecodeMessage(line)
		if err != nil {
			return
		}
		set := 0
		for _, is := range []bool{m.Response != nil, m.Late != nil, m.Event != nil} {
			if is {
				set++
			}
		}
		if set != 1 {
			t.Fatalf("%d fields set for %q", set, line)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"op":"open","flags":["creat"],"lock":{},"start":{"kind":"tail"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		req, err := DecodeRequest(line)
		if err == nil && req.Op == "" {
			t.Fatalf("no op in %q", line)
		}
	})
}

func FuzzLineReader(f *testing.F) {
	f.Add("a\n\nb")
	f.Fuzz(func(t *testing.T, in string) {
		r := NewLineReader(strings.NewReader(in))
		for range len(in) + 1 {
			line, err := r.Next()
			if err != nil {
				return
			}
			if len(line) == 0 || strings.ContainsRune(string(line), '\n') {
				t.Fatalf("line %q", line)
			}
		}
		t.Fatal("more lines than bytes")
	})
}
