package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Tail reads the last bytes of a file.
func Tail(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read end of file: %w", err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("read end of %s: %w", path, err)
	}
	from := max(0, size-n)
	b := make([]byte, size-from)
	read, err := f.ReadAt(b, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read end of %s: %w", path, err)
	}
	return b[:read], nil
}

// TailLines reads the last lines of a file, at most 16 KiB of them. Bytes that
// a terminal would act on are made visible: a guest writes its console.
func TailLines(path string, lines int) string {
	b, err := Tail(path, 16<<10)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimRight(b, "\r\n"), []byte("\n"))
	if over := len(all) - lines; over > 0 {
		all = all[over:]
	}
	return Printable(string(bytes.Join(all, []byte("\n"))))
}

// Printable replaces control characters other than newline and tab.
func Printable(s string) string {
	return string(bytes.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return '.'
		}
		return r
	}, []byte(s)))
}
