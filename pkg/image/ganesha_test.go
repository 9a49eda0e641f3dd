package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestWriteGanesha makes an archive of a small root file system and reads it as a
// container runtime does.
func TestWriteGanesha(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "rootfs.tar"), filepath.Join(dir, fileArchive)
	if err := os.WriteFile(from, rootfs(t, "./usr/bin/ganesha.nfsd"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := &builder{debian: ganeshaDebian, arch: "amd64", debArch: "amd64"}
	if err := b.writeGanesha(from, b.ganeshaKey(), to); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(ganeshaRef(b.ganeshaKey()))
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(to, &tag)
	if err != nil {
		t.Fatal(err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"amd64", "linux", "/usr/bin/ganesha.nfsd"}, append([]string{file.Architecture, file.OS}, file.Config.Entrypoint...)); diff != "" {
		t.Error(diff)
	}
	if layers, err := image.Layers(); err != nil || len(layers) != 1 {
		t.Errorf("%d layers, %v, want one", len(layers), err)
	}
}

// TestGaneshaKey checks that the architecture is part of the image's name.
func TestGaneshaKey(t *testing.T) {
	t.Parallel()
	amd, arm := (&builder{debian: ganeshaDebian, arch: "amd64"}).ganeshaKey(), (&builder{debian: ganeshaDebian, arch: "arm64"}).ganeshaKey()
	if amd == arm || !strings.HasPrefix(amd, "trixie-amd64-") || !strings.HasPrefix(arm, "trixie-arm64-") {
		t.Errorf("keys %q and %q", amd, arm)
	}
}
