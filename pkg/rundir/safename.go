package rundir

import (
	"fmt"
	"strings"
)

// maxName is the most bytes that a directory name may have on the file systems
// in use (NAME_MAX of limits.h), less room for suffixes.
const maxName = 200

// SafeName maps a name to one that is a single, harmless directory name, and
// different for different names. Letters, digits and "-_=,+" stay, and a dot
// that is not the first byte; every other byte becomes %XX.
func SafeName(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("make a directory name: the name is empty")
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if plain(c) || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() > maxName {
		return "", fmt.Errorf("make a directory name: %.40q... is longer than %d bytes", name, maxName)
	}
	return b.String(), nil
}

// NameOf is the inverse of SafeName. A directory name that SafeName never
// makes is an error.
func NameOf(dir string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(dir); i++ {
		if dir[i] != '%' {
			b.WriteByte(dir[i])
			continue
		}
		var c byte
		if i+2 >= len(dir) {
			return "", fmt.Errorf("read directory name %q: cut short after %%", dir)
		}
		if _, err := fmt.Sscanf(dir[i+1:i+3], "%02X", &c); err != nil {
			return "", fmt.Errorf("read directory name %q: %w", dir, err)
		}
		b.WriteByte(c)
		i += 2
	}
	name := b.String()
	if back, err := SafeName(name); err != nil || back != dir {
		return "", fmt.Errorf("read directory name %q: not made by nfsim", dir)
	}
	return name, nil
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_=,+", c) >= 0
}
