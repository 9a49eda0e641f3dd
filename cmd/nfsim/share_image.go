package main

import (
	"context"

	"github.com/nfsim/nfsim/pkg/cache"
	"github.com/nfsim/nfsim/pkg/image"
	"github.com/nfsim/nfsim/pkg/lab/product"
	"github.com/nfsim/nfsim/pkg/run"
)

// shareImages is the image of the share server, protected from removal until
// release.
type shareImages struct {
	logf func(format string, args ...any)
	made *image.Ganesha // nil: not asked for
}

// get takes the image from the cache, or makes it.
func (s *shareImages) get(ctx context.Context) (run.ContainerImage, error) {
	dir, err := cache.Open("", cache.Options{Logf: s.logf})
	if err != nil {
		return run.ContainerImage{}, err
	}
	if s.made, err = image.GetGanesha(ctx, dir, image.Options{Logf: s.logf}); err != nil {
		return run.ContainerImage{}, product.Classify(err)
	}
	return run.ContainerImage{Ref: s.made.Ref(), Arch: s.made.Arch, Archive: s.made.Archive()}, nil
}

func (s *shareImages) release() error {
	if s.made == nil {
		return nil
	}
	return s.made.Release()
}
