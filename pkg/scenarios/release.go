package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// releaseRange is a half-open range of releases, as in ">=6.0 <6.13". An
// empty one is every release, known or not.
type releaseRange struct{ from, below []int }

var releaseBound = regexp.MustCompile(`^(>=|<)(\d+(?:\.\d+){0,2})$`)

// parseReleaseRange reads bounds separated by spaces: at most one ">=VERSION"
// and one "<VERSION", each of up to three numbers.
func parseReleaseRange(text string) (releaseRange, error) {
	var r releaseRange
	for word := range strings.FieldsSeq(text) {
		m := releaseBound.FindStringSubmatch(word)
		if m == nil {
			return r, fmt.Errorf("parse release range %q: %q is neither >=VERSION nor <VERSION", text, word)
		}
		version, err := releaseVersion(m[2])
		if err != nil {
			return r, fmt.Errorf("parse release range %q: %w", text, err)
		}
		bound := &r.from
		if m[1] == "<" {
			bound = &r.below
		}
		if *bound != nil {
			return r, fmt.Errorf("parse release range %q: %s is there twice", text, m[1])
		}
		*bound = version
	}
	if r.from != nil && r.below != nil && slices.Compare(r.from, r.below) >= 0 {
		return r, fmt.Errorf("parse release range %q: no release is in it", text)
	}
	return r, nil
}

// has says whether all releases, as `uname -r` names them, are in the range.
// No release at all, or one that cannot be read, is in the empty range only.
func (r releaseRange) has(releases []string) bool {
	if r.from == nil && r.below == nil {
		return true
	}
	for _, release := range releases {
		version, err := releaseVersion(release)
		if err != nil || r.from != nil && slices.Compare(version, r.from) < 0 || r.below != nil && slices.Compare(version, r.below) >= 0 {
			return false
		}
	}
	return len(releases) > 0
}

var leadingVersion = regexp.MustCompile(`^v?(\d+(?:\.\d+){0,2})`)

// releaseVersion is the numbers that a release begins with: three of them, those
// that are missing being 0, so that 6.12-rc1 and 6.12.0 are one.
func releaseVersion(release string) ([]int, error) {
	leading := ""
	if m := leadingVersion.FindStringSubmatch(release); m != nil {
		leading = m[1]
	}
	version := make([]int, 3)
	for i, part := range strings.Split(leading, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("read release %q: %w", release, err)
		}
		version[i] = n
	}
	return version, nil
}
