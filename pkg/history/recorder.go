package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Recorder appends operations to a file of JSON lines. It is safe for
// concurrent use. Each line is written whole, so that a crash can cut short at
// most the last one.
type Recorder struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	n    int
	err  error // the first failure; the recorder is dead from then on
}

// NewRecorder makes a new history file; an existing one is an error, for a history
// is written once.
func NewRecorder(path string) (*Recorder, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	return &Recorder{file: f, buf: bufio.NewWriterSize(f, 64<<10)}, nil
}

// Add appends operations, in the order given. After a failure every call
// returns that failure.
func (r *Recorder) Add(ops ...Op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range ops {
		if r.err != nil {
			return r.err
		}
		line, err := json.Marshal(&ops[i])
		if err != nil {
			return fmt.Errorf("record operation: %w", err)
		}
		if len(line) > MaxLine {
			return fmt.Errorf("record operation: %d bytes are more than a line may have (%d)", len(line), MaxLine)
		}
		if _, err := r.buf.Write(append(line, '\n')); err != nil {
			r.err = fmt.Errorf("record operation: %w", err)
			return r.err
		}
		r.n++
	}
	return nil
}

// Len returns the number of operations added.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// Flush hands everything added so far to the operating system.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flush()
}

func (r *Recorder) flush() error {
	if r.err != nil {
		return r.err
	}
	if err := r.buf.Flush(); err != nil {
		r.err = fmt.Errorf("flush history: %w", err)
	}
	return r.err
}

// Close flushes, syncs to disk and closes. A second call does nothing.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.err, os.ErrClosed) {
		return nil
	}
	err := r.flush()
	if err == nil {
		err = r.file.Sync()
	}
	err = errors.Join(err, r.file.Close())
	r.err = os.ErrClosed
	if err != nil {
		return fmt.Errorf("close history: %w", err)
	}
	return nil
}
