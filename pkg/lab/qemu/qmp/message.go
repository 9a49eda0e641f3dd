package qmp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Event is one asynchronous report of QEMU.
type Event struct {
	Name string
	Data json.RawMessage
}

type request struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        uint64 `json:"id"`
}

type message struct {
	Greeting json.RawMessage `json:"QMP"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
	ID    *uint64         `json:"id"`
}

func (m message) event() Event { return Event{Name: m.Event, Data: m.Data} }

type decoder struct {
	lines *bufio.Scanner
}

func newDecoder(r io.Reader) *decoder {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	return &decoder{lines: s}
}

// next returns the next message; io.EOF at the end. A line that is too long or
// no JSON object is an error, and the stream cannot be trusted after it.
func (d *decoder) next() (message, error) {
	for d.lines.Scan() {
		line := d.lines.Bytes()
		if len(line) == 0 {
			continue
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return message{}, fmt.Errorf("decode qmp line: %w", err)
		}
		return m, nil
	}
	if err := d.lines.Err(); err != nil {
		return message{}, fmt.Errorf("read qmp line: %w", err)
	}
	return message{}, io.EOF
}
