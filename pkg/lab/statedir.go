package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// StateRoot is the directory of all labs' state directories,
// $XDG_STATE_HOME/nfsim/labs.
func StateRoot() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the state directory: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(state) {
		return "", fmt.Errorf("find the state directory: XDG_STATE_HOME %q is not absolute", state)
	}
	return filepath.Join(state, "nfsim", "labs"), nil
}
