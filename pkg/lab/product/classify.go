package product

import (
	"errors"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/image"
	"github.com/nfsim/nfsim/pkg/kubebuild"
	"github.com/nfsim/nfsim/pkg/lab"
)

// Classify tells what the user can change, a *lab.UsageError, from what the host
// lacks, a *lab.InfraError.
func Classify(err error) error {
	var (
		release *image.ReleaseError
		arch    *image.ArchError
		version *kubebuild.VersionError
		skew    *kubebuild.SkewError
		spec    *cluster.SpecError
		infra   *lab.InfraError
	)
	switch {
	case errors.As(err, &release), errors.As(err, &arch), errors.As(err, &version), errors.As(err, &skew), errors.As(err, &spec):
		return &lab.UsageError{What: err.Error(), Err: nil}
	case errors.As(err, &infra):
		return err
	}
	return &lab.InfraError{What: "cannot make what the machines need", Err: err}
}
