package inventory

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/imported"
)

// images are the workload images that were brought to workers.
type images struct {
	lab   lab.Lab
	image *imported.Image

	mu   sync.Mutex
	done bool
}

// newImages notes in a file of the state directory which workers were brought
// the image.
func newImages(l lab.Lab, note string, logf func(format string, args ...any)) *images {
	return &images{lab: l, image: &imported.Image{Lab: l, Name: kube.WorkloadImage, What: "workload", Note: note, Archive: workload, Logf: logf}}
}

// workload is the image for an architecture.
func workload(_ context.Context, arch string) (io.ReadCloser, error) {
	helper, err := agent.Binary(arch)
	if err != nil {
		return nil, err
	}
	archive, err := cluster.WorkloadArchive(arch, helper)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(archive)), nil
}

// ensure imports the image on the workers that lack it, once.
func (s *images) ensure(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	for _, m := range lab.Workers(s.lab) {
		if err := s.image.Ensure(ctx, m); err != nil {
			return err
		}
	}
	s.done = true
	return nil
}

// takeAway removes the image where it was brought to.
func (s *images) takeAway(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = false
	s.image.TakeAway(ctx)
}
