package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// MaxOps is the most operations that Load reads: more would not be a trial.
const MaxOps = 10_000_000

// Report says what a loader found besides the operations.
type Report struct {
	Ops      int  // operations read
	CutShort bool // the last line was cut short and left out: the writer was killed
}

// Each streams the operations of r to fn, in the order of the file. The
// operation is only valid during the call. An error of fn ends the stream.
func Each(r io.Reader, fn func(*Op) error) (Report, error) {
	var (
		rep   Report
		names = make(intern)
		stop  error
	)
	torn, err := EachLine(r, MaxLine, func(_ int, line []byte) error {
		if stop != nil {
			return stop
		}
		var op Op
		if err := json.Unmarshal(line, &op); err != nil {
			return fmt.Errorf("decode operation: %w", err)
		}
		if rep.Ops++; rep.Ops > MaxOps {
			stop = fmt.Errorf("more than %d operations", MaxOps)
			return stop
		}
		names.op(&op)
		stop = fn(&op)
		return stop
	})
	if stop != nil {
		return rep, fmt.Errorf("load history: %w", stop)
	}
	if err != nil {
		return rep, fmt.Errorf("load history: %w", err)
	}
	rep.CutShort = torn
	return rep, nil
}

// Load reads all operations of r.
func Load(r io.Reader) ([]Op, Report, error) { return LoadSize(r, 0) }

// LoadSize is Load for a reader whose size in bytes is known. Knowing it saves
// memory: a large history is not copied as it grows.
func LoadSize(r io.Reader, size int64) ([]Op, Report, error) {
	var (
		ops     []Op
		counted = &counter{r: r}
	)
	rep, err := Each(counted, func(op *Op) error {
		if len(ops) == sampled && size > counted.n {
			perOp := counted.n / sampled
			ops = slices.Grow(ops, int(min(size/perOp-sampled, MaxOps)))
		}
		ops = append(ops, *op)
		return nil
	})
	return ops, rep, err
}

// sampled is the number of operations from which LoadSize takes the size of
// one: enough for what the reader has buffered ahead not to count.
const sampled = 4096

// counter counts the bytes that were read.
type counter struct {
	r io.Reader
	n int64
}

// Read reads from the underlying reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// LoadFile reads all operations of the file at path.
func LoadFile(path string) (ops []Op, rep Report, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Report{}, fmt.Errorf("load history: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, Report{}, fmt.Errorf("load history: %w", err)
	}
	ops, rep, err = LoadSize(f, info.Size())
	if err != nil {
		return nil, rep, fmt.Errorf("%s: %w", path, err)
	}
	return ops, rep, nil
}

// intern keeps one copy of each of the strings that histories repeat, so that
// a million operations do not hold a million copies of a file name.
type intern map[string]string

const maxInterned = 1 << 16

func (in intern) op(op *Op) {
	for _, s := range []*string{&op.Client, &op.Lane, &op.Func, &op.File, &op.Mode, &op.Kind, &op.Result, &op.Errno} {
		*s = in.one(*s)
	}
}

func (in intern) one(s string) string {
	if s == "" {
		return ""
	}
	if have, ok := in[s]; ok {
		return have
	}
	if len(in) < maxInterned {
		in[s] = s
	}
	return s
}
