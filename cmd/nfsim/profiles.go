package main

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
)

// addProfilesFlag adds the flag for a file of the user's own profiles.
func addProfilesFlag(f *pflag.FlagSet, file *string) {
	f.StringVar(file, "profiles", "", "YAML `file` with profiles of your own, beside nfsim's (docs/profiles.md)")
}

// profilesOf lists nfsim's profiles and those of a file, "" for none.
func profilesOf(file string) ([]nfs.Profile, error) {
	if file == "" {
		return nfs.Builtin(), nil
	}
	list, err := nfs.LoadProfiles(file)
	var at *nfs.ProfileFileError
	if errors.As(err, &at) {
		return nil, &lab.UsageError{What: at.Error(), Advice: "see docs/profiles.md"}
	}
	return list, err
}
