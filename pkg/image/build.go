package image

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/cache"
)

const (
	// builderVersion is part of the key. It changes when this package makes
	// something else of the same recipe.
	builderVersion = "1"
	// diskGiB is the virtual size of the machine's disk in GiB.
	diskGiB = 8
	// buildBytes is the room that a build takes at its peak: unpacked packages,
	// the tar archive, the raw disk and the qcow2, about 900 MB each.
	buildBytes = 5 << 30
	// buildTimeout bounds a build. Package downloads are most of it on a slow
	// line.
	buildTimeout = 45 * time.Minute
	// userTemp is where a user's build unpacks: it happens in a user name space
	// whose root may neither look into the user's cache nor write below it.
	userTemp = "/var/tmp"
)

// builder makes one image.
type builder struct {
	debian  string
	arch    string // GOARCH
	debArch string // Debian's name of it
	recipe  recipe
	what    made // of it: a disk or a box
	logf    func(format string, args ...any)
}

// newBuilder checks the options.
func newBuilder(opts Options, r recipe) (*builder, error) {
	debian, err := ParseDebian(opts.Debian)
	if err != nil {
		return nil, err
	}
	arch := cmp.Or(opts.Arch, runtime.GOARCH)
	debArch, err := debianArch(arch)
	if err != nil {
		return nil, err
	}
	b := &builder{debian: debian, arch: arch, debArch: debArch, recipe: r, logf: opts.Logf}
	if b.logf == nil {
		b.logf = func(string, ...any) {}
	}
	return b, nil
}

// get returns the entry from the cache, and builds it if it is not there or
// refresh is set.
func (b *builder) get(ctx context.Context, dir *cache.Dir, kind string, refresh bool) (*cache.Entry, error) {
	if refresh {
		if err := dir.Remove(kind, b.key()); err != nil {
			return nil, fmt.Errorf("refresh the machine image: %w; stop the labs that run from it first", err)
		}
	}
	return dir.Get(ctx, kind, b.key(), b.build)
}

// key is the entry's key. Debian's package versions are not part of it: they
// move while the recipe stays, and are recorded in packages.list instead.
func (b *builder) key() string {
	return fmt.Sprintf("%s-%s-%s", b.debian, b.arch, cache.Key("image", builderVersion, b.debian, b.arch, fmt.Sprint(diskGiB, "G"), b.recipe.hash()))
}

// build fills the cache entry's directory out.
func (b *builder) build(ctx context.Context, out string) (err error) {
	root := os.Geteuid() == 0
	if err := checkTools(root, b.what, onHost); err != nil {
		return err
	}
	work := workIn(root, out)
	for _, dir := range []string{out, work} {
		if err := cache.RequireSpace("building the machine image", dir, buildBytes); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, fmt.Errorf("building the machine image took more than %v", buildTimeout))
	defer cancel()

	dir, remove, err := tempDir(work, "nfsim-image-*")
	if err != nil {
		return err
	}
	defer remove(&err)
	recipeDir := filepath.Join(dir, "recipe")
	if err := b.recipe.write(recipeDir); err != nil {
		return fmt.Errorf("write the recipe: %w", err)
	}
	s := &steps{name: fmt.Sprintf("machine image (Debian %s, %s)", b.debian, b.debArch), logf: b.logf, start: time.Now()}
	s.say("building; later labs take it from the cache")

	archive := filepath.Join(dir, "rootfs.tar")
	if err := b.bootstrap(ctx, s, root, recipeDir, archive); err != nil {
		return err
	}
	if b.what == asBox {
		err = b.makeBox(ctx, s, root, recipeDir, archive, out)
	} else {
		err = b.makeDisk(ctx, s, root, recipeDir, archive, out)
	}
	if err != nil {
		return err
	}
	s.say("done")
	return os.WriteFile(filepath.Join(out, fileRecipe), []byte(b.describe()), 0o644)
}

// workIn is where a build's big files go: beside its result out, and for others
// than root where their name space can write.
func workIn(root bool, out string) string {
	if root {
		return out
	}
	return userTemp
}

// tempDir makes a directory that others can read, and returns what removes it; an
// error of that is stored where there is none yet.
func tempDir(in, pattern string) (dir string, remove func(err *error), err error) {
	dir, err = os.MkdirTemp(in, pattern)
	if err != nil {
		return "", nil, err
	}
	remove = func(err *error) {
		if rmErr := os.RemoveAll(dir); *err == nil {
			*err = rmErr
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		remove(&err)
		return "", nil, err
	}
	return dir, remove, nil
}

// bootstrap installs the packages and provisions them, into a tar archive.
func (b *builder) bootstrap(ctx context.Context, s *steps, root bool, recipeDir, archive string) error {
	packages, err := b.recipe.packages(b.debArch)
	if err != nil {
		return err
	}
	mode := "root"
	if !root {
		mode = "unshare"
	}
	args := []string{
		"--mode=" + mode, "--variant=minbase", "--format=tar", "--architectures=" + b.debArch,
		"--include=" + strings.Join(packages, ","),
		"--aptopt=APT::Install-Recommends false",
		"--aptopt=Acquire::Retries 3",
		"--aptopt=Acquire::http::Timeout 60",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		// The paths of these hooks are relative to the directory it runs in.
		"--customize-hook=sync-in rootfs /",
		`--customize-hook=mkdir "$1/tmp/recipe"`,
		"--customize-hook=sync-in . /tmp/recipe",
		`--customize-hook=chroot "$1" sh /tmp/recipe/provision.sh /tmp/recipe`,
	}
	if b.what == asBox {
		args = append(args, `--customize-hook=chroot "$1" sh /tmp/recipe/bootable/provision.sh /tmp/recipe/bootable`)
	}
	args = append(args, `--customize-hook=rm -rf "$1/tmp/recipe"`, b.debian, archive)
	cmd := newCommand(ctx, recipeDir, "mmdebstrap", args...)
	// INITRD=No keeps the kernel package from making an initial RAM file system
	// that initramfs/make.sh replaces.
	cmd.Env = append(stepEnv(root, filepath.Dir(archive)), "INITRD=No")
	return runStep(ctx, "install the packages", cmd, &lineWriter{line: s.sayStep})
}

// makeDisk makes the files of an image: what a machine boots from, and its
// disk.
func (b *builder) makeDisk(ctx context.Context, s *steps, root bool, recipeDir, archive, out string) error {
	s.say("taking out the kernel and its initial RAM file system")
	if err := extract(archive, out, wanted()); err != nil {
		return err
	}
	s.say("making the disk")
	return b.convert(ctx, root, recipeDir, archive, filepath.Join(out, fileDisk), "mkdisk.sh", fmt.Sprint(diskGiB, "G"))
}

// convert makes something else of a root file system with a script of the
// recipe.
func (b *builder) convert(ctx context.Context, root bool, recipeDir, archive, to string, script ...string) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	name, args := "sh", script
	if !root {
		name, args = "mmdebstrap", append([]string{"--unshare-helper", "sh"}, script...)
	}
	cmd := newCommand(ctx, recipeDir, name, args...)
	cmd.Env = stepEnv(root, filepath.Dir(archive))
	cmd.Stdin, cmd.Stdout = in, out
	if err := runStep(ctx, "run "+script[0], cmd, nil); err != nil {
		return err
	}
	return out.Close()
}

// stepEnv is the environment of a step, with dir for temporary files where it
// may write to it.
func stepEnv(root bool, dir string) []string {
	if !root {
		dir = userTemp
	}
	return append(os.Environ(), "LC_ALL=C.UTF-8", "TMPDIR="+dir)
}

// describe is the content of the file recipe.
func (b *builder) describe() string {
	return fmt.Sprintf("recipe %s\nbuilder %s\ndebian %s\narch %s\ndisk %s\n", b.recipe.hash(), builderVersion, b.debian, b.arch, fmt.Sprint(diskGiB, "G"))
}
