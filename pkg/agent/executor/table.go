package executor

import (
	"fmt"
	"sync"
)

// table hands out numbers, from 1 and never twice, for what requests refer
// to. No lock of it is held during a system call.
type table[T any] struct {
	kind string

	mu   sync.Mutex
	last int64
	rows map[int64]T
}

func newTable[T any](kind string) *table[T] {
	return &table[T]{kind: kind, rows: map[int64]T{}}
}

func (t *table[T]) add(v T) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.rows[t.last] = v
	return t.last
}

func (t *table[T]) get(n int64) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.rows[n]
	if !ok {
		return v, fmt.Errorf("no open %s %d", t.kind, n)
	}
	return v, nil
}

func (t *table[T]) take(n int64) (T, error) {
	v, err := t.get(n)
	if err == nil {
		t.mu.Lock()
		delete(t.rows, n)
		t.mu.Unlock()
	}
	return v, err
}
