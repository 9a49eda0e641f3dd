package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/nfsim/nfsim/pkg/cache"
)

// KindGanesha is the cache kind of container images of NFS-Ganesha.
const KindGanesha = "ganesha"

const (
	// ganeshaVersion is part of the key. It changes when this file makes something
	// else of the same packages.
	ganeshaVersion = "1"
	// ganeshaDebian is the release that the packages are of: it has 6.5.
	ganeshaDebian = "trixie"
	// ganeshaBytes is the room that a build takes at its peak: packages, unpacked
	// and as archives, about 50 MB each.
	ganeshaBytes = 512 << 20

	fileArchive = "image.tar"
)

// ganeshaPackages are what the container has, with all that they depend on.
func ganeshaPackages() []string { return []string{"nfs-ganesha", "nfs-ganesha-vfs"} }

// ganeshaWithout are paths that the server never opens: what its packages depend
// on for their installation's sake, and character sets.
func ganeshaWithout() []string {
	return []string{
		"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*", "/usr/share/bash-completion/*",
		"/usr/share/perl5/*", "/usr/bin/perl*", "/usr/lib/*/perl-base/*", "/usr/lib/*/gconv/*", "/usr/share/python3/*",
	}
}

// ganeshaSetup is what the packages' own scripts would have made, if they were
// run: in a directory of unpacked packages, $1. FSAL VFS finds the file system of
// an export in /etc/mtab (getmntent(3)). dpkg knows of no package that is only
// unpacked: the list is of what was downloaded.
const ganeshaSetup = `set -e
ln -s /proc/self/mounts "$1/etc/mtab"
echo root:x:0:0:root:/root:/bin/sh > "$1/etc/passwd"
echo root:x:0: > "$1/etc/group"
mkdir -p "$1/run/ganesha" "$1/var/lib/nfs/ganesha"
for deb in "$1"/var/cache/apt/archives/*.deb; do
	dpkg-deb --show --showformat='${Package} ${Version} ${Architecture}\n' "$deb"
done > "$1/usr/share/nfsim-packages.list"
`

// Ganesha is a container image of the NFS server in user space that pods run,
// in the cache and protected from removal until Release. The cache entry has
// the image as a docker-archive, and packages.list as machine images have it.
type Ganesha struct {
	Arch string // as GOARCH has it

	entry *cache.Entry
}

// Archive is the path of the docker-archive, for `ctr images import`.
func (g *Ganesha) Archive() string { return g.entry.Path(fileArchive) }

// Ref is the image's name. Another recipe has another name, and there is no
// registry behind it: pods must use imagePullPolicy Never.
func (g *Ganesha) Ref() string { return ganeshaRef(g.entry.Key) }

// Packages is the path of the list of Debian packages and their versions.
func (g *Ganesha) Packages() string { return g.entry.Path(filePackages) }

// Release ends the protection from removal.
func (g *Ganesha) Release() error { return g.entry.Release() }

func ganeshaRef(key string) string { return "nfsim.local/ganesha:" + key }

// GetGanesha returns the container image of NFS-Ganesha, and builds it if dir has
// not got it: Debian's packages unpacked, and nothing of them run but mmdebstrap
// and apt of the host. Of opts it takes Arch, Refresh and Logf. Errors are those
// of Get.
func GetGanesha(ctx context.Context, dir *cache.Dir, opts Options) (*Ganesha, error) {
	opts.Debian = ganeshaDebian
	b, err := newBuilder(opts, nil)
	if err != nil {
		return nil, err
	}
	key := b.ganeshaKey()
	if opts.Refresh {
		if err := dir.Remove(KindGanesha, key); err != nil {
			return nil, fmt.Errorf("refresh the image of NFS-Ganesha: %w", err)
		}
	}
	entry, err := dir.Get(ctx, KindGanesha, key, func(ctx context.Context, out string) error { return b.buildGanesha(ctx, key, out) })
	if err != nil {
		return nil, err
	}
	return &Ganesha{Arch: b.arch, entry: entry}, nil
}

func (b *builder) ganeshaKey() string {
	inputs := []string{"ganesha", ganeshaVersion, b.debian, b.arch, ganeshaSetup}
	inputs = append(inputs, ganeshaPackages()...)
	return fmt.Sprintf("%s-%s-%s", b.debian, b.arch, cache.Key(append(inputs, ganeshaWithout()...)...))
}

// buildGanesha fills the cache entry's directory out.
func (b *builder) buildGanesha(ctx context.Context, key, out string) (err error) {
	root := os.Geteuid() == 0
	if err := checkTools(root, asContainer, onHost); err != nil {
		return err
	}
	if err := cache.RequireSpace("building the image of NFS-Ganesha", out, ganeshaBytes); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, fmt.Errorf("building the image of NFS-Ganesha took more than %v", buildTimeout))
	defer cancel()
	dir, remove, err := tempDir(workIn(root, out), "nfsim-ganesha-*")
	if err != nil {
		return err
	}
	defer remove(&err)
	s := &steps{name: fmt.Sprintf("container image of NFS-Ganesha (Debian %s, %s)", b.debian, b.debArch), logf: b.logf, start: time.Now()}
	s.say("building; later runs take it from the cache")
	rootfs := filepath.Join(dir, "rootfs.tar")
	if err := b.unpackGanesha(ctx, s, root, rootfs); err != nil {
		return err
	}
	if err := extract(rootfs, out, map[string]string{"usr/share/nfsim-packages.list": filePackages}); err != nil {
		return err
	}
	s.say("making the image")
	if err := b.writeGanesha(rootfs, key, filepath.Join(out, fileArchive)); err != nil {
		return fmt.Errorf("make the image of NFS-Ganesha: %w", err)
	}
	s.say("done")
	return nil
}

// unpackGanesha downloads the packages and unpacks them, without running their
// scripts, into a tar archive.
func (b *builder) unpackGanesha(ctx context.Context, s *steps, root bool, archive string) error {
	mode := "root"
	if !root {
		mode = "unshare"
	}
	args := []string{
		"--mode=" + mode, "--variant=extract", "--format=tar", "--architectures=" + b.debArch,
		"--include=" + strings.Join(ganeshaPackages(), ","),
		"--aptopt=APT::Install-Recommends false",
		"--aptopt=Acquire::Retries 3",
		"--aptopt=Acquire::http::Timeout 60",
	}
	for _, path := range ganeshaWithout() {
		args = append(args, "--dpkgopt=path-exclude="+path)
	}
	args = append(args,
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--extract-hook="+ganeshaSetup,
		b.debian, archive)
	cmd := newCommand(ctx, filepath.Dir(archive), "mmdebstrap", args...)
	cmd.Env = stepEnv(root, filepath.Dir(archive))
	return runStep(ctx, "unpack the packages", cmd, &lineWriter{line: s.sayStep})
}

// writeGanesha makes a docker-archive of a root file system.
func (b *builder) writeGanesha(rootfs, key, to string) error {
	layer, err := tarball.LayerFromFile(rootfs)
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.Architecture, file.OS = b.arch, "linux"
	file.Config = v1.Config{Entrypoint: []string{"/usr/bin/ganesha.nfsd"}, Cmd: []string{"-v"}, Env: []string{"PATH=/usr/sbin:/usr/bin"}, WorkingDir: "/"}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return err
	}
	tag, err := name.NewTag(ganeshaRef(key))
	if err != nil {
		return err
	}
	return tarball.WriteToFile(to, tag, image)
}
