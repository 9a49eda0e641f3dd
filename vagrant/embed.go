// Package vagrant carries the recipe of the machine image, the files below
// box/, so that the nfsim command can build the image wherever it runs. The
// recipe is the same for the built-in provider (see pkg/image) and for the
// Vagrant box.
//
//	recipe, err := vagrant.Box()
//	script, err := fs.ReadFile(recipe, "provision.sh")
package vagrant

import (
	"embed"
	"io/fs"
)

//go:embed all:box
var box embed.FS

// Box returns the recipe's files, rooted at box/.
func Box() (fs.FS, error) { return fs.Sub(box, "box") }
