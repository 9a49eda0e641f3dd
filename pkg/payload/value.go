package payload

import (
	"bytes"
	"fmt"
	"strings"
)

// Kind is what a register was read as.
type Kind string

// The kinds. When several apply, the worst wins: GARBAGE, NUL, TORN, SHORT.
const (
	Token   Kind = "TOKEN"   // one whole value
	Empty   Kind = "EMPTY"   // no bytes at all
	Short   Kind = "SHORT"   // the beginning of one value, cut
	Torn    Kind = "TORN"    // sound blocks of more than one value
	NUL     Kind = "NUL"     // zero bytes where blocks should be
	Garbage Kind = "GARBAGE" // bytes that nobody wrote there
)

// maxShares bounds Value.Tokens.
const maxShares = 16

// Value is a decoded register.
type Value struct {
	Kind Kind  `json:"kind"`
	Size int64 `json:"size,omitempty"` // bytes that were decoded

	// Token and Seq are the value's, for Token and Short only.
	Token string `json:"token,omitempty"`
	Seq   int64  `json:"seq,omitempty"`

	// Tokens are the values that have sound blocks, in the order in which
	// they first appear, at most 16 of them; empty for Token, Short, Empty.
	Tokens []Share `json:"tokens,omitempty"`

	NULBytes int64 `json:"nul_bytes,omitempty"`
	BadBytes int64 `json:"bad_bytes,omitempty"`
	FirstBad int64 `json:"first_bad,omitempty"` // offset of the first NUL or bad byte's block, when there is one
}

// Share is the part that one value has in a torn register.
type Share struct {
	Token  string `json:"token"`
	Seq    int64  `json:"seq"`
	Blocks int64  `json:"blocks"`
}

// Whole says whether v is one value with nothing wrong.
func (v Value) Whole() bool { return v.Kind == Token }

// String is short, for tables and logs: a-17, TORN(a-17,b-3), NUL, EMPTY.
func (v Value) String() string {
	switch v.Kind {
	case Token:
		return v.Token
	case Short:
		return fmt.Sprintf("SHORT(%s,%d bytes)", v.Token, v.Size)
	}
	if len(v.Tokens) == 0 {
		return string(v.Kind)
	}
	names := make([]string, len(v.Tokens))
	for i, s := range v.Tokens {
		names[i] = s.Token
	}
	return string(v.Kind) + "(" + strings.Join(names, ",") + ")"
}

// Decode reads a whole register file. It never fails: what is not a register
// is Garbage.
func Decode(data []byte) Value {
	v := Value{Size: int64(len(data)), FirstBad: -1}
	var ids []identity
	shares := map[identity]int64{}
	var last identity
	for off := 0; off < len(data); off += BlockSize {
		b := data[off:min(off+BlockSize, len(data))]
		id, ok := parseBlock(b, int64(off/BlockSize))
		switch {
		case ok:
			if shares[id] == 0 {
				ids = append(ids, id)
			}
			shares[id]++
			last = id
		case zero(b):
			v.NULBytes += int64(len(b))
			v.markBad(off)
		case len(b) < BlockSize && cutBlock(b, last, int64(off/BlockSize)):
		default:
			v.BadBytes += int64(len(b))
			v.markBad(off)
		}
	}
	v.judge(ids, shares)
	if v.FirstBad < 0 {
		v.FirstBad = 0
	}
	return v
}

func (v *Value) markBad(off int) {
	if v.FirstBad < 0 {
		v.FirstBad = int64(off)
	}
}

func (v *Value) judge(ids []identity, shares map[identity]int64) {
	switch {
	case v.Size == 0:
		v.Kind = Empty
		return
	case v.BadBytes > 0:
		v.Kind = Garbage
	case v.NULBytes > 0:
		v.Kind = NUL
	case len(ids) > 1:
		v.Kind = Torn
	case len(ids) == 1:
		v.Token, v.Seq = ids[0].token, ids[0].seq
		v.Kind = Short
		if v.Size == ids[0].size {
			v.Kind = Token
		}
		return
	default: // less than one block, and it looks like the start of one
		v.Kind = Short
		return
	}
	for _, id := range ids[:min(len(ids), maxShares)] {
		v.Tokens = append(v.Tokens, Share{Token: id.token, Seq: id.seq, Blocks: shares[id]})
	}
}

// cutBlock says whether b is the beginning of block number block of the value
// that the block before it belongs to.
func cutBlock(b []byte, before identity, block int64) bool {
	if before.size == 0 {
		return strings.HasPrefix(blockMagic, string(b[:min(len(b), len(blockMagic))]))
	}
	if block >= before.size/BlockSize {
		return false
	}
	return bytes.HasPrefix(appendBlock(nil, before, block), b)
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
