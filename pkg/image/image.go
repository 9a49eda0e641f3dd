// Package image makes the machine image of the built-in lab from Debian
// packages: a root file system with systemd, the kernel's NFS client and server
// and containerd, without a boot loader and without an identity. The recipe is
// vagrant/box; what a machine needs from outside is in vagrant/box/README.md.
//
//	dir, err := cache.Open("", cache.Options{Logf: log.Printf})
//	img, err := image.Get(ctx, dir, image.Options{Debian: "trixie", Logf: log.Printf})
//	defer img.Release()
//	qemu -kernel img.Kernel() -initrd img.Initrd() -drive file=overlay-of(img.Disk()) ...
//
// The cache entry is images/DEBIAN-ARCH-HASH, with these files:
//
//	disk.qcow2     the root file system (ext4 on the whole disk, 8 GiB virtual)
//	vmlinuz        the kernel
//	initrd.img     the initial RAM file system, see vagrant/box/initramfs
//	busybox        the static busybox of the image, for workload images
//	packages.list  Debian packages: name, version, architecture
//	recipe         the recipe's hash and what went into the key
//
// Building takes mmdebstrap, e2fsprogs and qemu-utils, and root or a user with
// subordinate uids; it needs no loop device and leaves the host as it is. It
// takes one to two minutes on two cores, package downloads included.
package image

import (
	"context"
	"fmt"

	"github.com/nfsim/nfsim/pkg/cache"
)

// Kind is the cache kind of machine images.
const Kind = "images"

// The files of an entry.
const (
	fileDisk     = "disk.qcow2"
	fileKernel   = "vmlinuz"
	fileInitrd   = "initrd.img"
	fileBusybox  = "busybox"
	filePackages = "packages.list"
	fileRecipe   = "recipe"
)

// Options choose an image.
type Options struct {
	// Debian is a release as Releases knows it, by name or by number; empty is
	// DefaultDebian.
	Debian string
	// Arch is the guest's architecture as GOARCH has it; empty is the host's.
	// It must be the host's: packages run while they are installed.
	Arch string
	// Refresh builds the image again although its recipe has not changed, in
	// order to take up newer Debian packages.
	Refresh bool
	// Logf is told about each step of a build. Nil discards it.
	Logf func(format string, args ...any)
}

// Image is a machine image in the cache, protected from removal until Release.
type Image struct {
	Debian string // "trixie" or "bookworm"
	Arch   string // as GOARCH has it

	entry *cache.Entry
}

// Disk is the path of the qcow2 disk. It is shared and read-only: machines
// write to overlays on top of it.
func (i *Image) Disk() string { return i.entry.Path(fileDisk) }

// Kernel is the path of the kernel.
func (i *Image) Kernel() string { return i.entry.Path(fileKernel) }

// Initrd is the path of the initial RAM file system.
func (i *Image) Initrd() string { return i.entry.Path(fileInitrd) }

// Busybox is the path of the image's static busybox.
func (i *Image) Busybox() string { return i.entry.Path(fileBusybox) }

// Packages is the path of the list of Debian packages and their versions.
func (i *Image) Packages() string { return i.entry.Path(filePackages) }

// KernelArgs are the parameters that every machine of the image boots with;
// vagrant/box/README.md has those that give it its identity. The security
// modules, auditing and the mitigations are left out because an emulated
// processor spends half of the boot on them; none of them touches NFS. The check
// of the timer interrupt is left out because it fails, and may end the boot, on
// an emulated processor that has to share its host's (seen: "MP-BIOS bug: 8254
// timer not connected to IO-APIC").
func (i *Image) KernelArgs() string {
	console := "ttyS0 no_timer_check"
	if i.Arch == "arm64" {
		console = "ttyAMA0"
	}
	return "root=/dev/vda rw console=" + console + commonArgs
}

// commonArgs are the parameters that do not depend on disk and console.
const commonArgs = " net.ifnames=0 quiet lsm=capability audit=0 mitigations=off"

// ID is a hash over the contents of the image. It differs between two builds
// of one recipe; whatever depends on the disk, as a snapshot does, belongs
// under it.
func (i *Image) ID() string { return i.entry.Digest() }

// Key is the cache key, a hash over the recipe among others.
func (i *Image) Key() string { return i.entry.Key }

// Verify reads all files and compares their SHA-256 with those recorded.
func (i *Image) Verify(ctx context.Context) error { return i.entry.Verify(ctx) }

// Release ends the protection from removal.
func (i *Image) Release() error { return i.entry.Release() }

// Get returns the image that opts choose, and builds it if dir has not got it.
//
// Its error is a *ReleaseError, an *ArchError or a *MissingToolsError when
// there is something for the user to change, a *cache.SpaceError when there is
// too little room, a *cache.InUseError when Refresh meets a lab that runs from
// the image, and a *StepError when a step of the build failed.
func Get(ctx context.Context, dir *cache.Dir, opts Options) (*Image, error) {
	r, err := loadRecipe()
	if err != nil {
		return nil, fmt.Errorf("load the recipe of the machine image: %w", err)
	}
	b, err := newBuilder(opts, r)
	if err != nil {
		return nil, err
	}
	entry, err := b.get(ctx, dir, Kind, opts.Refresh)
	if err != nil {
		return nil, err
	}
	return &Image{Debian: b.debian, Arch: b.arch, entry: entry}, nil
}
