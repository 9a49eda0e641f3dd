package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockSuffix    = ".lock"
	lockShared    = unix.LOCK_SH
	lockExclusive = unix.LOCK_EX
	// lockPoll is how often a taken lock is tried again: flock(2) itself
	// cannot be told to give up when the context ends.
	lockPoll = 100 * time.Millisecond
)

// fileLock is a held flock(2) lock.
type fileLock struct{ f *os.File }

func (l *fileLock) path() string   { return l.f.Name() }
func (l *fileLock) release() error { return l.f.Close() }

// InUseError is the error of removing an entry that a process still holds.
type InUseError struct {
	Kind, Key string
	Holders   []int // process ids as far as they could be found out
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("cache entry %s/%s is in use by %s", e.Kind, e.Key, describeHolders(e.Holders))
}

// lock takes the lock of kind/key, and says through logf for whom it waits.
func (d *Dir) lock(ctx context.Context, kind, key string, how int) (*fileLock, error) {
	said := false
	for {
		l, err := d.tryLock(kind, key, how)
		if err == nil {
			return l, nil
		}
		var busy *InUseError
		if !errors.As(err, &busy) {
			return nil, err
		}
		if !said {
			said = true
			doing := "builds"
			if how == lockExclusive {
				doing = "holds"
			}
			d.logf("waiting for %s, which %s cache entry %s/%s", describeHolders(busy.Holders), doing, kind, key)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, and waiting ended: %w", busy, context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes the lock or returns an *InUseError at once.
func (d *Dir) tryLock(kind, key string, how int) (*fileLock, error) {
	path := filepath.Join(d.root, kind, key+lockSuffix)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return &fileLock{f: f}, nil
	}
	defer f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, &InUseError{Kind: kind, Key: key, Holders: holders(f)}
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
