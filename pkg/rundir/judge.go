package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// indexFile is the file of all verdicts of a run, in its directory.
const indexFile = "index.json"

// WriteVerdict writes verdict.json beside the recorded trial of the same cell.
func (r *Run) WriteVerdict(v Verdict) error {
	rel, err := trialPath(v.Cell())
	if err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	dir := filepath.Join(r.dir, rel)
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("write verdict: no trial to judge: %w", err)
	}
	v.Schema = SchemaVersion
	if err := writeJSON(filepath.Join(dir, verdictFile), v); err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	return nil
}

// WriteScript writes repro.sh beside the recorded trial of a cell: derived, like
// the verdict.
func (r *Run) WriteScript(c Cell, script string) error {
	rel, err := trialPath(c)
	if err != nil {
		return fmt.Errorf("write script: %w", err)
	}
	if err := writeFileAtomic(filepath.Join(r.dir, rel, scriptFile), []byte(script)); err != nil {
		return fmt.Errorf("write script: %w", err)
	}
	return nil
}

// Script returns the place of the trial's repro.sh, relative to the run
// directory, or "" when it has none.
func (t *Trial) Script() string {
	f, err := openIn(t.Dir, scriptFile, maxJSON)
	if err != nil {
		return ""
	}
	_ = f.Close() // nothing was written
	return t.Rel + "/" + scriptFile
}

// Verdicts reads the verdict.json of every trial that has one, sorted by cell.
func (r *Run) Verdicts() ([]Verdict, error) {
	var (
		verdicts []Verdict
		failed   error
	)
	err := r.eachTrialDir(func(cell Cell, rel string) {
		var v Verdict
		err := readJSON(filepath.Join(r.dir, rel), verdictFile, &v)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return
		case err != nil:
		case v.Schema != SchemaVersion:
			err = &SchemaError{Dir: rel, Have: v.Schema}
		case v.Cell() != cell:
			err = fmt.Errorf("%s is of another cell: %+v", filepath.Join(rel, verdictFile), v.Cell())
		}
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		verdicts = append(verdicts, v)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	return verdicts, nil
}

// WriteIndex gathers the verdicts of all trials into index.json.
func (r *Run) WriteIndex() (Index, error) {
	verdicts, err := r.Verdicts()
	if err != nil {
		return Index{}, fmt.Errorf("write index: %w", err)
	}
	index := Index{Schema: SchemaVersion, ID: r.Meta().ID, Verdicts: verdicts}
	if err := writeJSON(filepath.Join(r.dir, indexFile), index); err != nil {
		return Index{}, fmt.Errorf("write index: %w", err)
	}
	return index, nil
}

// Index reads index.json; a run that was not checked yet has an empty one.
func (r *Run) Index() (Index, error) {
	var index Index
	err := readJSON(r.dir, indexFile, &index)
	if errors.Is(err, fs.ErrNotExist) {
		return Index{Schema: SchemaVersion, ID: r.Meta().ID}, nil
	}
	if err != nil {
		return Index{}, fmt.Errorf("read index: %w", err)
	}
	if index.Schema != SchemaVersion {
		return Index{}, &SchemaError{Dir: r.dir, Have: index.Schema}
	}
	return index, nil
}
