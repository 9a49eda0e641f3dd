package nfs

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// DefaultExport is the export options of a profile that names none: see
// exports(5). no_root_squash because workloads run as root, insecure because
// the observer calls from a high port.
const DefaultExport = "rw,sync,no_subtree_check,no_root_squash,insecure"

// Profile is a named set of mount options, with the export options it needs.
type Profile struct {
	Name    string `json:"name" yaml:"name"`
	Options string `json:"options" yaml:"options"`                   // as in mount -o; see nfs(5)
	Export  string `json:"export,omitempty" yaml:"export,omitempty"` // as in exports(5), without fsid
	Doc     string `json:"doc" yaml:"doc"`                           // what it is there to show, one line
}

// Builtin lists the profiles that nfsim knows by itself, the default first.
func Builtin() []Profile {
	return []Profile{
		{
			Name: "default", Options: "vers=4.2", Export: DefaultExport,
			Doc: "NFSv4.2, hard, attributes cached for 3 to 60 s (files) and 30 to 60 s (directories)",
		},
		{
			Name: "v3", Options: "vers=3", Export: DefaultExport,
			Doc: "NFSv3: stateless, changes noticed by ctime, locks by NLM",
		},
		{
			Name: "noac", Options: "vers=4.2,noac", Export: DefaultExport,
			Doc: "no attribute cache, and every write synchronous; the data cache stays",
		},
		{
			Name: "actimeo=1", Options: "vers=4.2,actimeo=1", Export: DefaultExport,
			Doc: "attributes cached for 1 s",
		},
		{
			// timeo is in tenths of a second: a major timeout after 5 s x (2 + 1) = 15 s
			// on NFSv3 over TCP (net/sunrpc/clnt.c). Long enough for a slow fsync on an
			// emulated server, short enough for a trial.
			Name: "soft", Options: "vers=4.2,soft,timeo=50,retrans=2", Export: DefaultExport,
			Doc: "calls give up with EIO after about 15 s without an answer",
		},
	}
}

// NoMatchError says that a glob selects no profile.
type NoMatchError struct {
	Glob  string
	Known []string
}

func (e *NoMatchError) Error() string {
	return fmt.Sprintf("select profiles: %q matches none of %s", e.Glob, strings.Join(e.Known, ", "))
}

// Match returns the profiles whose name matches one of the globs (path.Match),
// in the order of the profiles. No globs selects all. A glob that is malformed
// or matches nothing is an error, *NoMatchError for the latter.
func Match(profiles []Profile, globs []string) ([]Profile, error) {
	if len(globs) == 0 {
		return slices.Clone(profiles), nil
	}
	chosen := make([]bool, len(profiles))
	for _, glob := range globs {
		hit := false
		for i, p := range profiles {
			ok, err := path.Match(glob, p.Name)
			if err != nil {
				return nil, fmt.Errorf("select profiles: %q: %w", glob, err)
			}
			if ok {
				chosen[i], hit = true, true
			}
		}
		if !hit {
			known := make([]string, 0, len(profiles))
			for _, p := range profiles {
				known = append(known, p.Name)
			}
			return nil, &NoMatchError{Glob: glob, Known: known}
		}
	}
	var out []Profile
	for i, p := range profiles {
		if chosen[i] {
			out = append(out, p)
		}
	}
	return out, nil
}
