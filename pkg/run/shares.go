package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/imported"
	"github.com/nfsim/nfsim/pkg/scenarios"
	"github.com/nfsim/nfsim/pkg/shareserver"
)

// ContainerImage is a container image on this host.
type ContainerImage struct {
	Ref     string // its name
	Arch    string // a GOARCH
	Archive string // path of the docker-archive
}

// shareNote is a file of a lab's state directory: the machines that the image of
// the share server was brought to.
const shareNote = "share-server.json"

// shareImage brings the image of the share server to a machine and returns its
// name. It is made, if need be, when it is first asked for.
func (e *executor) shareImage(ctx context.Context, m lab.Machine) (string, error) {
	e.shareMu.Lock()
	defer e.shareMu.Unlock()
	if e.share == nil {
		if e.makeShareImage == nil {
			return "", errors.New("bring the image of the share server: this nfsim has no way to make it")
		}
		image, err := e.makeShareImage(ctx)
		if err != nil {
			return "", err
		}
		e.share = e.importedShare(image)
	}
	return e.share.Name, e.share.Ensure(ctx, m)
}

func (e *executor) importedShare(image ContainerImage) *imported.Image {
	return &imported.Image{
		Lab: e.lab, Name: image.Ref, What: "ganesha", Note: filepath.Join(e.lab.StateDir(), shareNote), Logf: e.progress.Say,
		Archive: func(_ context.Context, arch string) (io.ReadCloser, error) {
			if arch != image.Arch {
				return nil, &lab.UsageError{What: fmt.Sprintf("the image of the share server is for %s, and the machine is %s", image.Arch, arch), Advice: "run nfsim on a " + arch + " host; this one is " + runtime.GOARCH}
			}
			return os.Open(image.Archive)
		},
	}
}

// removeShares removes what a run's share servers left in the cluster and on the
// workers, and the image.
func (e *executor) removeShares(ctx context.Context, runID string) error {
	config, err := e.lab.Kubeconfig(ctx)
	if err != nil {
		return err
	}
	client, err := shareserver.New(config, scenarios.Namespace(runID), runID)
	if err != nil {
		return err
	}
	if err := client.Cleanup(ctx); err != nil {
		return fmt.Errorf("remove the run's share servers: %w", err)
	}
	var errs []error
	for _, m := range lab.Workers(e.lab) {
		errs = append(errs, scenarios.RemoveShareDirs(ctx, e.lab, m, runID))
	}
	return errors.Join(errs...)
}

// takeShareImageAway removes the image from where it was brought to.
func (e *executor) takeShareImageAway(ctx context.Context) {
	e.shareMu.Lock()
	defer e.shareMu.Unlock()
	if e.share != nil {
		e.share.TakeAway(ctx)
	}
}

// hasShares reports whether the plan has batches of family share-server.
func (p Plan) hasShares() bool {
	return slices.ContainsFunc(p.Batches, func(b Batch) bool { return b.Scenario.Family == scenarios.FamilyShare })
}
