package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dirtyMark is a file in a lab's state directory while a run is under way. A
// run that finds it knows that the one before was killed: pods, mounts and
// exports of it may still be there.
type dirtyMark string

func dirtyMarkOf(stateDir string) dirtyMark {
	return dirtyMark(filepath.Join(stateDir, "dirty"))
}

// left says which run left the mark, "" when there is none.
func (d dirtyMark) left() (string, error) {
	id, err := os.ReadFile(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the lab's mark: %w", err)
	}
	return string(id), nil
}

// set marks the lab as in use by a run.
func (d dirtyMark) set(id string) error {
	if err := os.WriteFile(string(d), []byte(id), 0o600); err != nil {
		return fmt.Errorf("mark the lab: %w", err)
	}
	return nil
}

// clear says that the run has put everything back.
func (d dirtyMark) clear() error {
	if err := os.Remove(string(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the lab's mark: %w", err)
	}
	return nil
}
