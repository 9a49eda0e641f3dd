package image

import (
	"fmt"
	"runtime"
	"strings"
)

// DefaultDebian is the release that an image has when none is asked for.
const DefaultDebian = "trixie"

// release is a Debian release that the recipe builds.
type release struct{ name, number string }

// releases lists what the recipe builds, newest first.
func releases() []release {
	return []release{{"trixie", "13"}, {"bookworm", "12"}}
}

// Releases lists the Debian releases that an image can have, newest first, by
// name.
func Releases() []string {
	var names []string
	for _, r := range releases() {
		names = append(names, r.name)
	}
	return names
}

// ReleaseError says that there is no recipe for a Debian release.
type ReleaseError struct{ Asked string }

func (e *ReleaseError) Error() string {
	var known []string
	for _, r := range releases() {
		known = append(known, fmt.Sprintf("%s (%s)", r.name, r.number))
	}
	return fmt.Sprintf("unknown Debian release %q: the machine image can be %s", e.Asked, strings.Join(known, " or "))
}

// ParseDebian returns the name of the release that s names: "trixie", "13",
// "debian13", or empty for DefaultDebian. Its error is a *ReleaseError.
func ParseDebian(s string) (string, error) {
	if s == "" {
		return DefaultDebian, nil
	}
	want := strings.TrimPrefix(strings.ToLower(s), "debian")
	for _, r := range releases() {
		if want == r.name || want == r.number {
			return r.name, nil
		}
	}
	return "", &ReleaseError{Asked: s}
}

// ArchError says that no image can be built for an architecture on this host.
type ArchError struct{ Asked string }

func (e *ArchError) Error() string {
	return fmt.Sprintf("no machine image for architecture %q on this %s host: guests have the host's architecture, amd64 or arm64 (untested)", e.Asked, runtime.GOARCH)
}

// debianArch returns Debian's name of a GOARCH. arm64 is untested.
func debianArch(goarch string) (string, error) {
	if goarch != runtime.GOARCH {
		return "", &ArchError{Asked: goarch}
	}
	switch goarch {
	case "amd64", "arm64":
		return goarch, nil
	}
	return "", &ArchError{Asked: goarch}
}
