package proto

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrLineTooLong is a line of more than MaxLine bytes. The stream cannot be
// read on after it.
var ErrLineTooLong = errors.New("line is longer than 4 MiB")

// LineReader reads lines of bounded length.
type LineReader struct {
	r   *bufio.Reader
	buf []byte
}

// NewLineReader returns a reader of r's lines.
func NewLineReader(r io.Reader) *LineReader {
	return &LineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Next returns the next line that is not blank, without its newline; it is
// good until the next call. The error is io.EOF at the end, io.ErrUnexpectedEOF
// when the last line has no newline, or ErrLineTooLong.
func (l *LineReader) Next() ([]byte, error) {
	for {
		l.buf = l.buf[:0]
		err := l.fill()
		line := bytes.TrimSpace(l.buf)
		switch {
		case err == nil && len(line) == 0:
			continue
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("read line: cut after %d bytes: %w", len(l.buf), io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read line: %w", err)
	}
}

func (l *LineReader) fill() error {
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(part) > MaxLine {
			return ErrLineTooLong
		}
		l.buf = append(l.buf, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// Message is one line from the agent: exactly one of its fields is set.
type Message struct {
	Response *Response // has an ID
	Late     *Response // has Late
	Event    *Event
}

// DecodeMessage decodes a line from the agent. Unknown fields are passed over.
func DecodeMessage(line []byte) (Message, error) {
	var head struct {
		ID    *int64  `json:"id"`
		Late  *int64  `json:"late"`
		Event *string `json:"event"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return Message{}, fmt.Errorf("decode agent's line: %w", err)
	}
	if head.Event != nil {
		ev := &Event{}
		if err := json.Unmarshal(line, ev); err != nil {
			return Message{}, fmt.Errorf("decode agent's event: %w", err)
		}
		return Message{Event: ev}, nil
	}
	if head.ID == nil && head.Late == nil {
		return Message{}, errors.New("decode agent's line: no id, late or event in it")
	}
	resp := &Response{}
	if err := json.Unmarshal(line, resp); err != nil {
		return Message{}, fmt.Errorf("decode agent's answer: %w", err)
	}
	if resp.Late != 0 {
		return Message{Late: resp}, nil
	}
	return Message{Response: resp}, nil
}

// DecodeRequest decodes a line to the agent. Unknown fields are passed over.
func DecodeRequest(line []byte) (Request, error) {
	var req Request
	if err := json.Unmarshal(line, &req); err != nil {
		return Request{}, fmt.Errorf("decode request: %w", err)
	}
	if req.Op == "" {
		return req, errors.New("decode request: no op in it")
	}
	return req, nil
}

// Encode encodes a Request, Response or Event as one line with its newline.
// It refuses one that is longer than MaxLine.
func Encode(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode line: %w", err)
	}
	if len(line)+1 > MaxLine {
		return nil, fmt.Errorf("encode line of %d bytes: %w", len(line), ErrLineTooLong)
	}
	return append(line, '\n'), nil
}
