package kubebuild

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// maxSkew is how many minor versions a kubelet may be older than its API server
// (https://kubernetes.io/releases/version-skew-policy/#kubelet; three since
// Kubernetes 1.28, and nothing older is built here).
const maxSkew = 3

// SkewError says why a kubelet may not be used with an API server.
type SkewError struct {
	Control, Kubelet string
	Reason           string
}

func (e *SkewError) Error() string {
	return fmt.Sprintf("kubelet %s does not go with API server %s: %s (https://kubernetes.io/releases/version-skew-policy/)",
		e.Kubelet, e.Control, e.Reason)
}

// CheckSkew returns a *SkewError unless Kubernetes supports a kubelet of one
// version with an API server of another: the kubelet must not be newer, and at
// most three minor versions older. Patch versions do not count.
func CheckSkew(control, kubelet string) error {
	for _, v := range []string{control, kubelet} {
		if !semver.IsValid(v) {
			return fmt.Errorf("compare versions: %q is not a version like v1.36.3", v)
		}
	}
	fail := func(format string, args ...any) error {
		return &SkewError{Control: control, Kubelet: kubelet, Reason: fmt.Sprintf(format, args...)}
	}
	switch older := minorOf(control) - minorOf(kubelet); {
	case semver.Major(control) != semver.Major(kubelet):
		return fail("their major versions differ")
	case older < 0:
		return fail("a kubelet must not be newer than its API server")
	case older > maxSkew:
		return fail("it is %d minor versions older, and %d are supported", older, maxSkew)
	}
	return nil
}

// minorOf is the 36 of v1.36.3, or 0.
func minorOf(version string) int {
	_, minor, _ := strings.Cut(semver.MajorMinor(version), ".")
	n, err := strconv.Atoi(minor)
	if err != nil {
		return 0
	}
	return n
}

// patchOf is the 3 of v1.36.3, or 0.
func patchOf(version string) int {
	patch := strings.TrimPrefix(semver.Canonical(version), semver.MajorMinor(version)+".")
	n, err := strconv.Atoi(patch)
	if err != nil {
		return 0
	}
	return n
}
