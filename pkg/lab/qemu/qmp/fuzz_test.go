package qmp

import (
	"bytes"
	"testing"
)

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(`{"QMP": {"version": {}}}` + "\n" + `{"return": {}, "id": 1}` + "\r\n"))
	f.Add([]byte(`{"event": "RESET", "data": {"guest": false}}` + "\n"))
	f.Add([]byte(`{"error": {"class": "GenericError", "desc": "x"}, "id": 18446744073709551615}`))
	f.Add([]byte("\n\n{"))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := newDecoder(bytes.NewReader(in))
		for i := 0; ; i++ {
			if _, err := d.next(); err != nil {
				return
			}
			if i > len(in) {
				t.Fatal("more messages than bytes")
			}
		}
	})
}
