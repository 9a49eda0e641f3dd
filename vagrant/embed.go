// Package vagrant carries the recipes of the machine images, so that the nfsim
// command can build them wherever it runs: box/, the image of the built-in
// provider, and bootable/, what makes a Vagrant box of it (see pkg/image).
//
//	recipe, err := vagrant.Box()
//	script, err := fs.ReadFile(recipe, "provision.sh")
package vagrant

import (
	"embed"
	"io/fs"
)

//go:embed all:box all:bootable
var recipes embed.FS

// Box returns the recipe's files, rooted at box/.
func Box() (fs.FS, error) { return fs.Sub(recipes, "box") }

// Bootable returns the files that are added to the recipe for a Vagrant box,
// rooted at bootable/.
func Bootable() (fs.FS, error) { return fs.Sub(recipes, "bootable") }
