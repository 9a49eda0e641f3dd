package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the most bytes that one line of a history may have.
const MaxLine = 1 << 20

// EachLine calls fn with every line of r, without its newline; empty lines are
// skipped. The line is only valid during the call. A line longer than maxLine
// bytes is an error. When fn fails on a last line that lacks its newline, the
// writer was killed while writing it: that is no error, and torn is true.
func EachLine(r io.Reader, maxLine int, fn func(number int, line []byte) error) (torn bool, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for number := 1; ; number++ {
		long = long[:0]
		var line []byte
		for {
			part, err := br.ReadSlice('\n')
			if len(long)+len(part) > maxLine+1 {
				return false, fmt.Errorf("line %d is longer than %d bytes", number, maxLine)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				long = append(long, part...)
				continue
			}
			line = part
			if len(long) > 0 {
				long = append(long, part...)
				line = long
			}
			if err == nil {
				break
			}
			if !errors.Is(err, io.EOF) {
				return false, fmt.Errorf("read line %d: %w", number, err)
			}
			if line = bytes.TrimSpace(line); len(line) == 0 {
				return false, nil
			}
			return fn(number, line) != nil, nil
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := fn(number, line); err != nil {
			return false, fmt.Errorf("line %d: %w", number, err)
		}
	}
}
