package cache

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestRequireSpace(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	must(t, RequireSpace("a test", dir, 1))
	err := RequireSpace("a test", dir, 1<<62)
	var space *SpaceError
	if !errors.As(err, &space) {
		t.Fatalf("RequireSpace() = %v, want a SpaceError", err)
	}
	space.Have = 3 << 29
	space.Need = 5 << 30
	space.Dir = "/var/tmp"
	if got, want := err.Error(), "a test needs 5.0 GiB in /var/tmp, which has 1.5 GiB free"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}
