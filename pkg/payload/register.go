package payload

import "fmt"

// BlockSize is the length of a register's block in bytes. It divides every
// page size, so that a read which mixes pages of two writes is cut between
// blocks.
const BlockSize = 64

// MaxRegister is the largest register in bytes: 2^24 blocks.
const MaxRegister = BlockSize << 24

// MaxRegisterSeq is the largest sequence number of a register.
const MaxRegisterSeq = 1<<40 - 1

// blockMagic begins every block. A block is, by bytes:
//
//	0  "R1 "
//	3  token, padded with spaces
//	28 sequence number, 10 hexadecimal digits
//	39 block number, 6
//	46 size of the register in bytes, 8
//	55 CRC-32C of the 55 bytes before it, 8
//	63 newline
const blockMagic = "R1 "

// identity is what all blocks of one register have in common.
type identity struct {
	token string
	seq   int64
	size  int64
}

// Register returns the register value of token with sequence number seq, size
// bytes long. It refuses a bad token (see CheckName), a size that is not a
// positive multiple of BlockSize, and numbers out of range.
func Register(token string, seq int64, size int) ([]byte, error) {
	if err := CheckName(token); err != nil {
		return nil, fmt.Errorf("encode register: %w", err)
	}
	if size <= 0 || size%BlockSize != 0 || size > MaxRegister {
		return nil, fmt.Errorf("encode register: size %d is not a multiple of %d from %d to %d", size, BlockSize, BlockSize, MaxRegister)
	}
	if seq < 0 || seq > MaxRegisterSeq {
		return nil, fmt.Errorf("encode register: sequence number %d is not within 0 to %d", seq, int64(MaxRegisterSeq))
	}
	id := identity{token: token, seq: seq, size: int64(size)}
	data := make([]byte, 0, size)
	for n := range int64(size / BlockSize) {
		data = appendBlock(data, id, n)
	}
	return data, nil
}

func appendBlock(dst []byte, id identity, block int64) []byte {
	from := len(dst)
	dst = append(dst, blockMagic...)
	dst = append(appendName(dst, id.token), ' ')
	dst = append(appendHex(dst, uint64(id.seq), 10), ' ')
	dst = append(appendHex(dst, uint64(block), 6), ' ')
	dst = append(appendHex(dst, uint64(id.size), 8), ' ')
	return seal(dst, from)
}

// parseBlock reads the block that stands at position block of a file.
func parseBlock(b []byte, block int64) (identity, bool) {
	if len(b) != BlockSize || string(b[:3]) != blockMagic || !sealed(b) {
		return identity{}, false
	}
	if b[27] != ' ' || b[38] != ' ' || b[45] != ' ' || b[54] != ' ' {
		return identity{}, false
	}
	token, ok1 := parseName(b[3:27])
	seq, ok2 := parseHex(b[28:38])
	number, ok3 := parseHex(b[39:45])
	size, ok4 := parseHex(b[46:54])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return identity{}, false
	}
	if int64(number) != block || size == 0 || size%BlockSize != 0 || block >= int64(size)/BlockSize {
		return identity{}, false
	}
	return identity{token: token, seq: int64(seq), size: int64(size)}, true
}
