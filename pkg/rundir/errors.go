package rundir

import (
	"fmt"
	"path/filepath"
)

// SchemaError is a run directory of another schema version.
type SchemaError struct {
	Dir  string // the run directory
	Have int    // version found, 0 for none
}

// Error says what was found and what to do.
func (e *SchemaError) Error() string {
	switch {
	case e.Have > SchemaVersion:
		return fmt.Sprintf("run directory %s has schema version %d, this nfsim reads version %d: use a newer nfsim", e.Dir, e.Have, SchemaVersion)
	default:
		return fmt.Sprintf("run directory %s has schema version %d, this nfsim reads version %d: use the nfsim that recorded it (nfsim_version in run.json), or record the run again", e.Dir, e.Have, SchemaVersion)
	}
}

// NotRunError is a path that is not a run directory.
type NotRunError struct {
	Path   string
	Reason string
}

// Error says what was looked for and what to do.
func (e *NotRunError) Error() string {
	return fmt.Sprintf("open run %q: %s; give a directory made by `nfsim run`, its ID, or \"latest\"", e.Path, e.Reason)
}

// TrialExistsError is a trial that was recorded already.
type TrialExistsError struct{ Cell Cell }

// Error names the trial.
func (e *TrialExistsError) Error() string {
	return fmt.Sprintf("trial %s x %s, repeat %d is recorded already", e.Cell.Scenario, e.Cell.Profile, e.Cell.Repeat)
}

// DamagedError is a file of a run that is cut short, or has something else
// than nfsim writes.
type DamagedError struct {
	Path string
	Err  error
}

// Error says what is lost, if anything, and what to do.
func (e *DamagedError) Error() string {
	advice := "restore it from a copy, or record the run again"
	switch filepath.Base(e.Path) {
	case indexFile, verdictFile:
		advice = "nothing that was recorded is lost: write it again with `nfsim check`"
	}
	return fmt.Sprintf("%s is damaged: %v; %s", e.Path, e.Err, advice)
}

// Unwrap returns what the decoder said.
func (e *DamagedError) Unwrap() error { return e.Err }
