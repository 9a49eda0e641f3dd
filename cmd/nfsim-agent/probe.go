package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// probe tells whether a file's first byte, or a directory's first entry, can
// be read in time. It is for exec probes of pods.
func probe(args []string) error {
	flags := newFlags("probe")
	limit := flags.Duration("timeout", 5*time.Second, "how long the calls may take")
	operands, err := parse(flags, args, "PATH")
	if err != nil {
		return err
	}
	readable := make(chan error, 1)
	go func() { readable <- touch(operands[0]) }()
	late := time.NewTimer(*limit)
	defer late.Stop()
	select {
	case err := <-readable:
		if err != nil {
			return fmt.Errorf("probe %s: %w", operands[0], err)
		}
		return nil
	case <-late.C:
		return fmt.Errorf("probe %s: no answer within %s", operands[0], *limit)
	}
}

// touch opens, reads a little and closes.
func touch(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	_, err = unix.Pread(fd, buf[:1], 0)
	if errors.Is(err, unix.EISDIR) {
		_, err = unix.ReadDirent(fd, buf)
	}
	return errors.Join(err, unix.Close(fd))
}
