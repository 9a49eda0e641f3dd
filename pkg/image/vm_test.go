//go:build vm

package image

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/nfsim/nfsim/pkg/cache"
)

// TestLabGaneshaImage takes the image of share servers from the user's cache, or
// builds it there: it needs mmdebstrap and Debian's mirror.
func TestLabGaneshaImage(t *testing.T) {
	t.Parallel()
	dir, err := cache.Open("", cache.Options{Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	g, err := GetGanesha(t.Context(), dir, Options{Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Release(); err != nil {
			t.Error(err)
		}
	})
	packages, err := os.ReadFile(g.Packages())
	if err != nil || !strings.Contains(string(packages), "nfs-ganesha-vfs 6.5") {
		t.Errorf("packages.list: %q, %v", packages, err)
	}
	if _, err := tarball.ImageFromPath(g.Archive(), nil); err != nil {
		t.Error(err)
	}
}
