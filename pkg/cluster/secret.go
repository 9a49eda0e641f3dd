package cluster

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a private key in PEM. It prints as a placeholder with every
// format verb and in log/slog; JSON carries it whole, for files of mode 0600.
type Secret []byte

const redacted = "[private key]"

// Format keeps the key out of everything package fmt prints.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue keeps the key out of structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
