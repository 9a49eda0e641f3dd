package sshnode

import (
	"bytes"
	"testing"
)

func FuzzTail(f *testing.F) {
	f.Add(uint8(4), []byte("0123456789"), uint8(3))
	f.Add(uint8(0), []byte("x"), uint8(1))
	f.Add(uint8(7), []byte("0123456789abcdef"), uint8(16))
	f.Fuzz(func(t *testing.T, limit uint8, data []byte, step uint8) {
		w := newTail(int(limit))
		for rest := data; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			if c, err := w.Write(rest[:n]); c != n || err != nil {
				t.Fatalf("Write = %d, %v, want %d", c, err, n)
			}
			rest = rest[n:]
		}
		got, truncated := w.snapshot()
		if want := data[max(len(data)-int(limit), 0):]; !bytes.Equal(got, want) {
			t.Errorf("kept %q of %q with limit %d", got, data, limit)
		}
		if truncated != (len(data) > int(limit)) {
			t.Errorf("truncated = %v for %d bytes with limit %d", truncated, len(data), limit)
		}
	})
}
