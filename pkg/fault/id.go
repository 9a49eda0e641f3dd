package fault

import (
	"crypto/rand"
	"encoding/hex"
)

// NewID returns a new fault id of 8 hexadecimal digits.
func NewID() string {
	var b [4]byte
	// crypto/rand.Read never returns an error (Go 1.24 and later).
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
