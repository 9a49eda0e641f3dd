// Package lock is an advisory lock on a file that says who holds it and ends
// with its holder, SIGKILL included: what keeps two processes from using one
// lab.
//
//	l, err := lock.Take(path, "nfsim run")
//	defer l.Release()
package lock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HeldError says who holds a lock.
type HeldError struct {
	Path string
	PID  int    // 0 if it could not be read
	Who  string // what the holder calls itself
}

// Error names the holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by process %d (%s)", e.Path, e.PID, e.Who)
}

// Lock is an flock(2) lock on a file that says who holds it. It ends with the
// process, SIGKILL included.
type Lock struct{ f *os.File }

// Take takes the lock at path without waiting; a lock that is held is a
// *HeldError.
func Take(path, who string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		held := readHolder(f)
		held.Path = path
		_ = f.Close()
		return nil, held
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d %s\n", os.Getpid(), who), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("take lock %s: %w", path, err)
	}
	return &Lock{f: f}, nil
}

// Release gives the lock up. The file stays: removing it would let two
// processes hold locks of the same name.
func (l *Lock) Release() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

// Holder says whether a lock is held, and by whom, without taking it for
// longer than the question. A lock file that is not there is not held.
func Holder(path string) (*HeldError, bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open lock: %w", err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		held := readHolder(f)
		held.Path = path
		return held, true, nil
	}
	return nil, false, err
}

func readHolder(f *os.File) *HeldError {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil {
		return &HeldError{Who: "unknown"}
	}
	pid, who, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	n, err := strconv.Atoi(pid)
	if err != nil {
		return &HeldError{Who: "unknown"}
	}
	return &HeldError{PID: n, Who: who}
}
