package vagrant_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/vagrant"
)

func TestBoxIsReadable(t *testing.T) {
	t.Parallel()
	box, err := vagrant.Box()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"README.md", "packages.txt", "provision.sh", "initramfs/init"} {
		if _, err := fs.Stat(box, path); err != nil {
			t.Error(err)
		}
	}
}

// TestReadmeNamesTheFiles keeps the recipe's table of contents complete.
func TestReadmeNamesTheFiles(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("box/README.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("box", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, "box/")
		switch {
		case rel == "rootfs":
			return fs.SkipDir
		case d.IsDir() || rel == "README.md":
		case !strings.Contains(string(readme), "`"+rel+"`"):
			t.Errorf("README.md does not say what %s is", rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestShellcheck(t *testing.T) {
	t.Parallel()
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed: apt-get install shellcheck")
	}
	for _, args := range [][]string{
		{"box/provision.sh", "box/mkdisk.sh", "box/initramfs/make.sh", "bootable/provision.sh", "bootable/mkbox.sh"},
		// busybox's shell is an ash, as dash is.
		{"--shell=dash", "box/initramfs/init"},
	} {
		out, err := exec.CommandContext(t.Context(), shellcheck, args...).CombinedOutput()
		if err != nil {
			t.Errorf("shellcheck %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
