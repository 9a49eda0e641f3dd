// Package payload makes and reads back the contents of the files that nfsim
// writes. Every byte describes itself, so that whoever reads a file, on a
// client, on the wire or on the server's disk, can tell whose value it is,
// whether it is whole, and whether a byte of it changed.
//
// Two shapes exist. A register holds one value of a unique token in 64-byte
// blocks and is rewritten as a whole:
//
//	data, err := payload.Register("a-17", 17, 8192)
//	v := payload.Decode(data) // v.Kind == payload.Token, v.Token == "a-17"
//
// A log is a sequence of fixed-size records and only grows:
//
//	line, err := payload.Record{Client: "pod-1", Seq: 42}.Append(nil, 64)
//	sum, err := payload.Summarize(file)
//
// Both are printable lines: `head` on a node is enough to look at them.
package payload

import (
	"fmt"
	"hash/crc32"
)

// NameMax is the longest token or client name, in bytes.
const NameMax = 24

// checksumLen is the length of a CRC-32C in hexadecimal digits.
const checksumLen = 8

// CheckName says why name cannot be a token or a client: it has 1 to NameMax
// letters, digits and any of "_.:-".
func CheckName(name string) error {
	if name == "" || len(name) > NameMax {
		return fmt.Errorf("check name %q: want 1 to %d bytes, have %d", name, NameMax, len(name))
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return fmt.Errorf("check name %q: byte %d is none of A-Z a-z 0-9 _ . : -", name, i)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '_' || c == '.' || c == ':' || c == '-'
}

// appendName appends name padded with spaces to NameMax bytes.
func appendName(dst []byte, name string) []byte {
	dst = append(dst, name...)
	for range NameMax - len(name) {
		dst = append(dst, ' ')
	}
	return dst
}

// parseName reads what appendName wrote.
func parseName(b []byte) (string, bool) {
	end := len(b)
	for end > 0 && b[end-1] == ' ' {
		end--
	}
	if end == 0 {
		return "", false
	}
	for _, c := range b[:end] {
		if !nameByte(c) {
			return "", false
		}
	}
	return string(b[:end]), true
}

const hexDigits = "0123456789abcdef"

// appendHex appends v as exactly digits lower-case hexadecimal digits.
func appendHex(dst []byte, v uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hexDigits[v>>(4*i)&15])
	}
	return dst
}

// parseHex reads what appendHex wrote; upper-case digits are refused, so that
// one value has one form.
func parseHex(b []byte) (uint64, bool) {
	var v uint64
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// checksum is CRC-32C: it notices every burst of up to 32 bits (RFC 3720,
// appendix B.4 and the papers named there).
func checksum(b []byte) uint64 {
	return uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// sealed says whether line ends in its own checksum and a newline.
func sealed(line []byte) bool {
	body := len(line) - checksumLen - 1
	if body < 0 || line[len(line)-1] != '\n' {
		return false
	}
	sum, ok := parseHex(line[body : body+checksumLen])
	return ok && sum == checksum(line[:body])
}

// seal appends the checksum of dst[from:] and a newline.
func seal(dst []byte, from int) []byte {
	return append(appendHex(dst, checksum(dst[from:]), checksumLen), '\n')
}
