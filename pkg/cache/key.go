package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// keyBytes is how much of the SHA-256 a key keeps: 80 bits tell apart every
// entry that one cache directory will ever see, and still fit in a path.
const keyBytes = 10

// Key is a hexadecimal hash over the inputs and their order. Each input is
// hashed with its length, so that ("ab", "c") and ("a", "bc") differ.
func Key(inputs ...string) string {
	h := sha256.New()
	for _, in := range inputs {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(in)))
		h.Write(n[:])
		h.Write([]byte(in))
	}
	return hex.EncodeToString(h.Sum(nil)[:keyBytes])
}
