package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/image"
	"github.com/nfsim/nfsim/pkg/lab/product"
)

func newLabBoxCommand(s streams) *cobra.Command {
	var debian, out string
	cmd := &cobra.Command{
		Use:   "box",
		Short: "build the Vagrant box (libvirt) from Debian packages",
		Long: `Builds a Vagrant box for libvirt by the recipe of the built-in lab's image, with a boot loader
and the user vagrant. It is kept in the cache: a second call is quick. Without --out its path
is printed. 'make box' puts it where the Vagrantfile looks for it.`,
		Example: `  nfsim lab box
  nfsim lab box --debian bookworm --out bookworm.box
  vagrant box add --name nfsim/trixie $(nfsim lab box)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return makeBox(cmd.Context(), s, debian, out) },
	}
	cmd.Flags().StringVar(&debian, "debian", "", "Debian `release` of the box: trixie or bookworm (default trixie)")
	cmd.Flags().StringVarP(&out, "out", "o", "", "copy the box to this `file`")
	return cmd
}

func makeBox(ctx context.Context, s streams, debian, out string) (err error) {
	dir, err := cache.Open("", cache.Options{Logf: progressTo(s)})
	if err != nil {
		return err
	}
	box, err := image.GetBox(ctx, dir, image.Options{Debian: debian, Logf: progressTo(s)})
	if err != nil {
		return product.Classify(err)
	}
	defer func() { err = errors.Join(err, box.Release()) }()
	if out == "" {
		fmt.Fprintln(s.Out, box.Path())
		return nil
	}
	if err := copyFile(box.Path(), out); err != nil {
		return fmt.Errorf("copy the box: %w", err)
	}
	fmt.Fprintf(s.Err, "Vagrant box of Debian %s: %s\n", box.Debian, out)
	return nil
}

// copyFile replaces to by a copy of from, at once.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	half := to + ".half"
	out, err := os.Create(half)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(half))
	}
	return os.Rename(half, to)
}
