package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SpaceError says that a file system has too little room.
type SpaceError struct {
	What       string // what needs the room, as in "building the machine image"
	Dir        string
	Need, Have int64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s needs %s in %s, which has %s free", e.What, gib(e.Need), e.Dir, gib(e.Have))
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// RequireSpace returns a *SpaceError when an unprivileged process can write
// fewer than need bytes below dir. A dir that is not there yet is judged by its
// nearest parent.
func RequireSpace(what, dir string, need int64) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("measure free space: %w", err)
	}
	for {
		_, err := os.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return fmt.Errorf("measure free space: %w", err)
		}
		at = filepath.Dir(at)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return fmt.Errorf("measure free space in %s: %w", at, err)
	}
	if have := int64(st.Bavail) * st.Bsize; have < need {
		return &SpaceError{What: what, Dir: dir, Need: need, Have: have}
	}
	return nil
}
