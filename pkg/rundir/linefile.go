package rundir

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// lineFile appends JSON lines to a file; safe for concurrent use.
type lineFile struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
}

func newLineFile(path string) (*lineFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &lineFile{file: f, buf: bufio.NewWriter(f)}, nil
}

func (l *lineFile) add(v any, flush bool) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.buf.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("append to %s: %w", l.file.Name(), err)
	}
	if flush {
		return l.buf.Flush()
	}
	return nil
}

func (l *lineFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.buf.Flush(), l.file.Sync(), l.file.Close())
}
