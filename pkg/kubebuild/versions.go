package kubebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// OldestVersion is the oldest version of Kubernetes that this package builds.
const OldestVersion = "v1.29.6"

// DefaultVersion is what is built when no version is asked for: the one that the
// findings and results in docs/ were measured with. It moves by a commit, not
// with the day: two runs of one nfsim are of one release.
const DefaultVersion = "v1.36.3"

// Latest asks for the newest version that the Go module proxy lists.
const Latest = "latest"

// VersionError says that a version of Kubernetes cannot be had.
type VersionError struct {
	Asked string
	Near  []string // versions that can be had, nearest to the one asked for, oldest first
	// Offline is why the proxy was not asked; Near is then what the cache holds.
	Offline error
}

func (e *VersionError) Error() string {
	where := "on the Go module proxy"
	if e.Offline != nil {
		where = "in the cache, and the Go module proxy could not be asked"
	}
	asked := "Kubernetes " + e.Asked
	if e.Asked == Latest {
		asked = "version of Kubernetes"
	}
	msg := fmt.Sprintf("no %s %s", asked, where)
	if len(e.Near) > 0 {
		msg += "; there are " + strings.Join(e.Near, ", ")
	}
	if e.Offline != nil {
		msg += ": " + e.Offline.Error()
	}
	return msg
}

func (e *VersionError) Unwrap() error { return e.Offline }

// Versions asks the Go module proxy for the versions of Kubernetes that can be
// built: stable ones from OldestVersion on, oldest first. Not every release of
// Kubernetes is there.
func (b *Builder) Versions(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, fmt.Errorf("the Go module proxy did not answer within %v", queryTimeout))
	defer cancel()
	out, err := b.goOutput(ctx, os.TempDir(), "list", "-m", "-versions", kubernetesModule)
	if err != nil {
		return nil, fmt.Errorf("list versions of Kubernetes: %w", err)
	}
	return parseVersions(string(out)), nil
}

// parseVersions reads the answer of go list -m -versions: the module's path,
// then its versions, on one line.
func parseVersions(text string) []string {
	var out []string
	for _, v := range strings.Fields(text) {
		if semver.IsValid(v) && semver.Canonical(v) == v && semver.Prerelease(v) == "" &&
			semver.Compare(v, OldestVersion) >= 0 && semver.Major(v) == "v1" {
			out = append(out, v)
		}
	}
	semver.Sort(out)
	return slices.Compact(out)
}

// Cached lists the versions for which the cache holds a whole set, oldest
// first.
func (b *Builder) Cached(set Set) ([]string, error) {
	entries, err := b.dir.Entries()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.Kind != Kind || !e.Whole {
			continue
		}
		if v, ok := cachedVersion(e.Key, set, b.arch); ok {
			out = append(out, v)
		}
	}
	semver.Sort(out)
	return slices.Compact(out), nil
}

// cachedVersion takes the version out of a key that target.key made.
func cachedVersion(key string, set Set, arch string) (string, bool) {
	rest, ok := strings.CutPrefix(key, string(set)+"-")
	if !ok {
		return "", false
	}
	version, rest, ok := strings.Cut(rest, "-"+arch+"-")
	if !ok || rest == "" || !semver.IsValid(version) {
		return "", false
	}
	return version, true
}

// askedRE is a version as a user writes it: with or without v, the patch
// optional.
var askedRE = regexp.MustCompile(`^v?(1\.[0-9]+)(\.[0-9]+)?$`)

// Resolve returns the version that asked means for a set: "v1.36.3" and
// "1.36.3" mean themselves, "1.36" the newest of its patches, "latest" the newest
// of all, and "" DefaultVersion. When the proxy cannot be asked, it chooses among what the cache holds
// and says so through Logf. An exact version that the cache holds is not asked
// for. Its error is a *VersionError when there is nothing to choose.
func (b *Builder) Resolve(ctx context.Context, set Set, asked string) (string, error) {
	asked = cmp.Or(asked, DefaultVersion)
	if asked != Latest && !askedRE.MatchString(asked) {
		return "", &VersionError{Asked: fmt.Sprintf("%q (want a version like v1.36.3, or latest)", asked)}
	}
	cached, err := b.Cached(set)
	if err != nil {
		return "", err
	}
	if want := "v" + strings.TrimPrefix(asked, "v"); slices.Contains(cached, want) {
		return want, nil
	}
	available, listErr := b.Versions(ctx)
	if listErr != nil {
		var noGo *NoGoError
		if errors.As(listErr, &noGo) || ctx.Err() != nil {
			return "", listErr
		}
		available = cached
	}
	v, missing := choose(asked, available)
	if missing != nil {
		missing.Offline = listErr
		return "", missing
	}
	if listErr != nil {
		b.logf("the Go module proxy cannot be asked for versions of Kubernetes; taking %s, which the cache holds", v)
	}
	return v, nil
}

// choose picks what asked means from available, which is sorted.
func choose(asked string, available []string) (string, *VersionError) {
	want := "v" + strings.TrimPrefix(asked, "v")
	for _, v := range slices.Backward(available) {
		if asked == Latest || v == want || semver.MajorMinor(v) == want {
			return v, nil
		}
	}
	return "", &VersionError{Asked: asked, Near: near(want, available)}
}

// nearCount is how many versions an error names.
const nearCount = 6

// near returns the versions of available that are nearest to want by minor
// version, then by patch; oldest first.
func near(want string, available []string) []string {
	minor, patch := minorOf(want), patchOf(want)
	out := slices.Clone(available)
	slices.SortStableFunc(out, func(x, y string) int {
		return cmp.Or(
			cmp.Compare(abs(minorOf(x)-minor), abs(minorOf(y)-minor)),
			cmp.Compare(abs(patchOf(x)-patch), abs(patchOf(y)-patch)),
		)
	})
	out = out[:min(len(out), nearCount)]
	semver.Sort(out)
	return out
}

func abs(n int) int { return max(n, -n) }
