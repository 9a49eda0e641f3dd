package payload

import (
	"fmt"
)

// Sizes of a log record in bytes, its newline included.
const (
	DefaultRecord = 64
	MinRecord     = 64
	MaxRecord     = 4096
)

// MaxRecordSeq is the largest sequence number of a log record.
const MaxRecordSeq = 1<<48 - 1

// recordMagic begins every record. A record is, by bytes:
//
//	0    "L1 "
//	3    client, padded with spaces
//	28   sequence number, 12 hexadecimal digits
//	41   length of the record in bytes, 4
//	46   dots
//	n-9  CRC-32C of all before it, 8
//	n-1  newline
const recordMagic = "L1 "

// recordHead is the length of what stands before the dots.
const recordHead = 46

// Record is one line of a log: the client that wrote it and its sequence
// number. The two together are unique in a run.
type Record struct {
	Client string `json:"client"`
	Seq    int64  `json:"seq"`
}

// Append appends the record in size bytes. It refuses a bad client name (see
// CheckName) and numbers out of range.
func (r Record) Append(dst []byte, size int) ([]byte, error) {
	if err := CheckName(r.Client); err != nil {
		return dst, fmt.Errorf("encode record: %w", err)
	}
	if size < MinRecord || size > MaxRecord {
		return dst, fmt.Errorf("encode record: size %d is not within %d to %d", size, MinRecord, MaxRecord)
	}
	if r.Seq < 0 || r.Seq > MaxRecordSeq {
		return dst, fmt.Errorf("encode record: sequence number %d is not within 0 to %d", r.Seq, int64(MaxRecordSeq))
	}
	from := len(dst)
	dst = append(dst, recordMagic...)
	dst = append(appendName(dst, r.Client), ' ')
	dst = append(appendHex(dst, uint64(r.Seq), 12), ' ')
	dst = append(appendHex(dst, uint64(size), 4), ' ')
	for len(dst)-from < size-checksumLen-1 {
		dst = append(dst, '.')
	}
	return seal(dst, from), nil
}

// ParseRecord reads the record at the beginning of b and returns its length
// in bytes; ok is false when there is no sound and whole record there.
func ParseRecord(b []byte) (rec Record, size int, ok bool) {
	if len(b) < MinRecord || string(b[:3]) != recordMagic {
		return Record{}, 0, false
	}
	if b[27] != ' ' || b[40] != ' ' || b[45] != ' ' {
		return Record{}, 0, false
	}
	n, ok := parseHex(b[41:45])
	if !ok || n < MinRecord || n > MaxRecord || int(n) > len(b) || !sealed(b[:n]) {
		return Record{}, 0, false
	}
	client, ok1 := parseName(b[3:27])
	seq, ok2 := parseHex(b[28:40])
	if !ok1 || !ok2 {
		return Record{}, 0, false
	}
	return Record{Client: client, Seq: int64(seq)}, int(n), true
}
