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

// Profile is a named set of mount options, with the export options and the
// settings of the server that it needs.
type Profile struct {
	Name    string `json:"name"`
	Options string `json:"options"`          // as in mount -o; see nfs(5)
	Export  string `json:"export,omitempty"` // as in exports(5), without fsid; empty means DefaultExport
	Doc     string `json:"doc"`              // what it is there to show, one line
	// Server is what the whole server has to be told, beside its exports.
	Server ServerSetting `json:"server,omitzero"`
	// Unknown are mount options that nfsim does not know. They are passed on, and
	// compared by their letters with what the kernel shows.
	Unknown []string `json:"unknown,omitempty"`
	// Added says that the profile is the user's own.
	Added bool `json:"added,omitempty"`
}

// Aspect is something that all mounts of a client from one server share, so
// that a profile which changes it needs a batch of its own.
type Aspect string

// The aspects.
const (
	Delegations Aspect = "delegations" // whether the server gives any
	Lease       Aspect = "lease"       // NFSv4 lease and grace time
	Connections Aspect = "connections" // nconnect: fs/nfs/client.c nfs_match_client takes the first mount's
)

// Aspects lists what the profile changes for all mounts.
func (p Profile) Aspects() []Aspect {
	var out []Aspect
	if p.Server.NoDelegations {
		out = append(out, Delegations)
	}
	if p.Server.LeaseSeconds != 0 {
		out = append(out, Lease)
	}
	if p.Connections() != "" {
		out = append(out, Connections)
	}
	return out
}

// Connections is how many connections the mount asks for where it is not one:
// nconnect and max_connect as given, "" for neither. Mounts that differ in it
// cannot be side by side.
func (p Profile) Connections() string {
	opts, err := ParseOptions(p.Options)
	if err != nil {
		return ""
	}
	var asked []string
	for _, key := range []string{"nconnect", "max_connect"} {
		if value := opts[key]; value != "" && value != "1" {
			asked = append(asked, key+"="+value)
		}
	}
	return strings.Join(asked, ",")
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
