package image

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// MissingToolsError says which programs a build needs and the host has not got.
type MissingToolsError struct {
	Tools    []string // programs or files
	Packages []string // Debian packages that have them
}

func (e *MissingToolsError) Error() string {
	return fmt.Sprintf("building an image needs %s, which this host has not got: apt-get install %s",
		strings.Join(e.Tools, ", "), strings.Join(e.Packages, " "))
}

// made is what a build makes.
type made int

const (
	asDisk      made = iota // a machine's disk
	asBox                   // a Vagrant box
	asContainer             // a container image
)

// tool is something on the host that a build needs.
type tool struct {
	name     string // program in PATH or an sbin directory, or a file's absolute path
	pkg      string // Debian package
	userOnly bool   // needed only by a user who is not root
	only     []made // what it is needed for; nil: everything
}

func tools() []tool {
	return []tool{
		{name: "mmdebstrap", pkg: "mmdebstrap"},
		{name: "mke2fs", pkg: "e2fsprogs", only: []made{asDisk, asBox}},
		{name: "qemu-img", pkg: "qemu-utils", only: []made{asDisk, asBox}},
		{name: "tar", pkg: "tar"},
		{name: "/usr/share/keyrings/debian-archive-keyring.gpg", pkg: "debian-archive-keyring"},
		{name: "newuidmap", pkg: "uidmap", userOnly: true},
		{name: "sfdisk", pkg: "fdisk", only: []made{asBox}},
	}
}

// checkTools returns a *MissingToolsError unless has finds every tool that a
// build as root, or as another user, needs.
func checkTools(root bool, what made, has func(name string) bool) error {
	var missing MissingToolsError
	for _, t := range tools() {
		if t.userOnly && root || t.only != nil && !slices.Contains(t.only, what) || has(t.name) {
			continue
		}
		missing.Tools = append(missing.Tools, t.name)
		if !slices.Contains(missing.Packages, t.pkg) {
			missing.Packages = append(missing.Packages, t.pkg)
		}
	}
	if missing.Tools == nil {
		return nil
	}
	return &missing
}

// onHost finds a program the way that the build's scripts will, sbin
// directories included, or a file.
func onHost(name string) bool {
	if strings.HasPrefix(name, "/") {
		_, err := os.Stat(name)
		return err == nil
	}
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if _, err := exec.LookPath(dir + name); err == nil {
			return true
		}
	}
	return false
}
