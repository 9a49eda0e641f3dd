package image

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/vagrant"
)

// recipe is the content of vagrant/box.
type recipe map[string][]byte // by slash-separated path

func loadRecipe() (recipe, error) {
	box, err := vagrant.Box()
	if err != nil {
		return nil, err
	}
	return readRecipe(box)
}

func readRecipe(box fs.FS) (recipe, error) {
	r := recipe{}
	err := fs.WalkDir(box, ".", func(path string, d fs.DirEntry, err error) error {
		// What only explains the recipe does not change the image.
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".md") {
			return err
		}
		r[path], err = fs.ReadFile(box, path)
		return err
	})
	return r, err
}

// loadBoxRecipe is the recipe with what makes a Vagrant box of the image, below
// bootable/.
func loadBoxRecipe(kernelArgs string) (recipe, error) {
	r, err := loadRecipe()
	if err != nil {
		return nil, err
	}
	files, err := vagrant.Bootable()
	if err != nil {
		return nil, err
	}
	more, err := readRecipe(files)
	if err != nil {
		return nil, err
	}
	for path, content := range more {
		r["bootable/"+path] = content
	}
	r["bootable/kernel-args"] = []byte(kernelArgs + "\n")
	r["packages.txt"] = append(bytes.TrimSpace(r["packages.txt"]), append([]byte("\n"), more["packages.txt"]...)...)
	return r, nil
}

// hash is a key over names and contents of the recipe.
func (r recipe) hash() string {
	var inputs []string
	for _, path := range r.paths() {
		inputs = append(inputs, path, string(r[path]))
	}
	return cache.Key(inputs...)
}

func (r recipe) paths() []string {
	paths := make([]string, 0, len(r))
	for path := range r {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// write puts the recipe's files below dir, readable by every user and the
// scripts executable: a step may run in a user name space.
func (r recipe) write(dir string) error {
	for _, path := range r.paths() {
		to := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(to, r[path], mode); err != nil {
			return err
		}
		// The umask may have been stricter.
		if err := os.Chmod(to, mode); err != nil {
			return err
		}
	}
	return nil
}

// packages lists the Debian packages of the recipe for debArch.
func (r recipe) packages(debArch string) ([]string, error) {
	text, ok := r["packages.txt"]
	if !ok {
		return nil, fmt.Errorf("read packages.txt: %w", fs.ErrNotExist)
	}
	return parsePackages(text, debArch)
}

// packageRE is what Debian policy allows as a package's name.
var packageRE = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)

// parsePackages reads a list of packages: one a line, `#` begins a comment,
// @ARCH@ stands for Debian's name of the architecture.
func parsePackages(text []byte, debArch string) ([]string, error) {
	var out []string
	sc := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		line, _, _ := strings.Cut(sc.Text(), "#")
		line = strings.ReplaceAll(strings.TrimSpace(line), "@ARCH@", debArch)
		if line == "" {
			continue
		}
		if !packageRE.MatchString(line) {
			return nil, fmt.Errorf("read packages.txt: line %d: %q is not a package name", n, line)
		}
		out = append(out, line)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read packages.txt: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("read packages.txt: no packages")
	}
	return out, nil
}
