package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ItemKind is what a stretch of a log file is.
type ItemKind string

// The kinds of stretches.
const (
	RecordItem  ItemKind = "RECORD"  // a sound record
	NULItem     ItemKind = "NUL"     // zero bytes: a hole, or a write that has not arrived yet
	TornItem    ItemKind = "TORN"    // part of a record, or bytes that nobody wrote
	PartialItem ItemKind = "PARTIAL" // the file ends in the beginning of a record
)

// Item is one stretch of a log file. Items follow each other without gaps.
type Item struct {
	Kind   ItemKind `json:"kind"`
	Offset int64    `json:"offset"` // bytes from the start of the file
	Len    int64    `json:"len"`    // bytes
	Record Record   `json:"record,omitzero"`
}

// Scanner reads a log file stretch by stretch, in bounded memory, in the
// manner of bufio.Scanner. After a torn record it finds the next sound one at
// any byte.
type Scanner struct {
	r    io.Reader
	buf  []byte
	eof  bool
	off  int64 // of buf[0]
	gap  Item  // that is being gathered; Len 0: none
	item Item
	err  error
}

// NewScanner returns a scanner of r, whose first byte is at offset base of
// the file.
func NewScanner(r io.Reader, base int64) *Scanner {
	return &Scanner{r: r, off: base}
}

// Item is the stretch that the last call of Scan found.
func (s *Scanner) Item() Item { return s.item }

// Err is the error that ended the scan; nil at the end of the file.
func (s *Scanner) Err() error { return s.err }

// Scan goes to the next stretch. It returns false at the end and on a read
// error.
func (s *Scanner) Scan() bool {
	for {
		s.fill()
		if len(s.buf) == 0 {
			return s.flush()
		}
		if rec, n, ok := ParseRecord(s.buf); ok {
			if s.gap.Len > 0 {
				return s.flush()
			}
			s.item = Item{Kind: RecordItem, Offset: s.off, Len: int64(n), Record: rec}
			s.consume(n)
			return true
		}
		kind, n := s.classify()
		if s.gap.Len > 0 && s.gap.Kind != kind {
			return s.flush()
		}
		if s.gap.Len == 0 {
			s.gap = Item{Kind: kind, Offset: s.off}
		}
		s.gap.Len += int64(n)
		s.consume(n)
	}
}

// flush hands out the gap, if there is one.
func (s *Scanner) flush() bool {
	if s.gap.Len == 0 {
		return false
	}
	s.item, s.gap = s.gap, Item{}
	return true
}

func (s *Scanner) consume(n int) {
	s.buf = s.buf[n:]
	s.off += int64(n)
}

// fill reads until the buffer holds the longest record or the input ends.
func (s *Scanner) fill() {
	if s.eof || len(s.buf) >= MaxRecord {
		return
	}
	const chunk = 64 << 10
	next := make([]byte, len(s.buf), len(s.buf)+chunk)
	copy(next, s.buf)
	n, err := io.ReadAtLeast(s.r, next[len(next):cap(next)], MaxRecord)
	s.buf = next[:len(next)+n]
	if err != nil {
		s.eof = true
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			s.err = fmt.Errorf("scan log at offset %d: %w", s.off+int64(len(s.buf)), err)
		}
	}
}

// classify tells what the bytes at the start of the buffer are, no record
// being there, and how many of them.
func (s *Scanner) classify() (ItemKind, int) {
	if s.buf[0] == 0 {
		n := 1
		for n < len(s.buf) && s.buf[n] == 0 {
			n++
		}
		return NULItem, n
	}
	if s.eof && partial(s.buf) {
		return PartialItem, len(s.buf)
	}
	n := len(s.buf)
	if i := bytes.IndexByte(s.buf, 0); i > 0 {
		n = i
	}
	if i := bytes.IndexByte(s.buf[1:n], recordMagic[0]); i >= 0 {
		n = i + 1
	}
	return TornItem, n
}

// partial says whether b, which ends the file, may be the beginning of a
// record.
func partial(b []byte) bool {
	head := min(len(b), len(recordMagic))
	if string(b[:head]) != recordMagic[:head] || len(b) >= MaxRecord {
		return false
	}
	if bytes.IndexByte(b, 0) >= 0 || bytes.IndexByte(b, '\n') >= 0 {
		return false
	}
	if len(b) < recordHead {
		return true
	}
	n, ok := parseHex(b[41:45])
	return ok && n <= MaxRecord && len(b) < int(n)
}
