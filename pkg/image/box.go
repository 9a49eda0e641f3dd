package image

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/nfsim/nfsim/pkg/cache"
)

// KindBox is the cache kind of Vagrant boxes.
const KindBox = "boxes"

// fileBox is the box in a cache entry of KindBox; packages.list and recipe are
// beside it, as in an image.
const fileBox = "nfsim.box"

// Box is a Vagrant box in the cache, protected from removal until Release.
type Box struct {
	Debian string // "trixie" or "bookworm"
	Arch   string // as GOARCH has it

	entry *cache.Entry
}

// Path is the box's file, for `vagrant box add`.
func (b *Box) Path() string { return b.entry.Path(fileBox) }

// Release ends the protection from removal.
func (b *Box) Release() error { return b.entry.Release() }

// GetBox returns the Vagrant box that opts choose, and builds it if dir has not
// got it: the image of Get with a boot loader, the user vagrant and, unlike it,
// one partition. It is for libvirt on amd64. Errors are those of Get.
func GetBox(ctx context.Context, dir *cache.Dir, opts Options) (*Box, error) {
	r, err := loadBoxRecipe("console=ttyS0 no_timer_check" + commonArgs)
	if err != nil {
		return nil, fmt.Errorf("load the recipe of the Vagrant box: %w", err)
	}
	b, err := newBuilder(opts, r)
	if err != nil {
		return nil, err
	}
	if b.arch != "amd64" {
		return nil, &ArchError{Asked: b.arch}
	}
	b.what = asBox
	entry, err := b.get(ctx, dir, KindBox, opts.Refresh)
	if err != nil {
		return nil, err
	}
	return &Box{Debian: b.debian, Arch: b.arch, entry: entry}, nil
}

// makeBox makes the files of a box.
func (b *builder) makeBox(ctx context.Context, s *steps, root bool, recipeDir, archive, out string) error {
	list := map[string]string{"usr/share/nfsim-packages.list": filePackages}
	if err := extract(archive, out, list); err != nil {
		return err
	}
	s.say("making the box")
	return b.convert(ctx, root, recipeDir, archive, filepath.Join(out, fileBox), "bootable/mkbox.sh", fmt.Sprint(diskGiB))
}
