package rundir

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/nfsim/nfsim/pkg/history"
)

// Files of a trial's directory.
const (
	trialFile        = "trial.json"
	historyFile      = "history.jsonl"
	faultsFile       = "faults.jsonl"
	observationsFile = "observations.jsonl"
	ledgerBeforeFile = "ledger-before.json"
	ledgerAfterFile  = "ledger-after.json"
	stepsFile        = "steps.jsonl"
	verdictFile      = "verdict.json"
	scriptFile       = "repro.sh"
)

// Trial is a recorded trial. Its files are read when they are asked for.
type Trial struct {
	Meta TrialMeta // trial.json; only the cell when Err is set
	Dir  string    // the trial's directory
	Rel  string    // the same, relative to the run directory, with slashes
	Err  error     // why trial.json could not be read
}

// Incomplete reports whether the trial was cut short: its recording never
// came to an end, or what says so cannot be read.
func (t *Trial) Incomplete() bool { return t.Err != nil || !t.Meta.Finished }

// trialPath returns the place of a cell's trial below the run directory.
func trialPath(c Cell) (string, error) {
	scenario, err := SafeName(c.Scenario)
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	profile, err := SafeName(c.Profile)
	if err != nil {
		return "", fmt.Errorf("profile: %w", err)
	}
	if c.Repeat < 1 {
		return "", fmt.Errorf("repeat %d: the first is 1", c.Repeat)
	}
	return filepath.Join("cells", scenario, profile, strconv.Itoa(c.Repeat)), nil
}

// Trials lists the trials of the run, by scenario, profile and repeat.
// Directories that nfsim did not make, and spoilt executions, are left out. A
// trial whose trial.json cannot be read is listed with its Err.
func (r *Run) Trials() ([]*Trial, error) {
	var trials []*Trial
	err := r.eachTrialDir(func(cell Cell, rel string) {
		t := &Trial{Dir: filepath.Join(r.dir, rel), Rel: filepath.ToSlash(rel)}
		err := readJSON(t.Dir, trialFile, &t.Meta)
		switch {
		case err == nil && t.Meta.Schema != SchemaVersion:
			err = &SchemaError{Dir: t.Dir, Have: t.Meta.Schema}
		case err == nil && t.Meta.Cell() != cell:
			err = fmt.Errorf("read %s: it is of another cell: %+v", filepath.Join(t.Dir, trialFile), t.Meta.Cell())
		}
		if err != nil {
			t.Err = err
			t.Meta = TrialMeta{Schema: SchemaVersion, Scenario: cell.Scenario, Profile: cell.Profile, Repeat: cell.Repeat}
		}
		trials = append(trials, t)
	})
	if err != nil {
		return nil, fmt.Errorf("list trials: %w", err)
	}
	return trials, nil
}

// eachTrialDir calls fn for every trial's directory, sorted by cell.
func (r *Run) eachTrialDir(fn func(cell Cell, rel string)) error {
	type found struct {
		cell Cell
		rel  string
	}
	var list []found
	if info, err := os.Lstat(filepath.Join(r.dir, "cells")); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", filepath.Join(r.dir, "cells"))
	}
	scenarios, err := subdirs(filepath.Join(r.dir, "cells"))
	if err != nil {
		return err
	}
	for scenarioDir, scenario := range scenarios {
		profiles, err := subdirs(filepath.Join(r.dir, "cells", scenarioDir))
		if err != nil {
			return err
		}
		for profileDir, profile := range profiles {
			repeats, err := subdirs(filepath.Join(r.dir, "cells", scenarioDir, profileDir))
			if err != nil {
				return err
			}
			for repeatDir := range repeats {
				n, err := strconv.Atoi(repeatDir)
				if err != nil || n < 1 || strconv.Itoa(n) != repeatDir {
					continue
				}
				list = append(list, found{Cell{scenario, profile, n}, filepath.Join("cells", scenarioDir, profileDir, repeatDir)})
			}
		}
	}
	slices.SortFunc(list, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.cell.Scenario, b.cell.Scenario), cmp.Compare(a.cell.Profile, b.cell.Profile), cmp.Compare(a.cell.Repeat, b.cell.Repeat))
	})
	for _, f := range list {
		fn(f.cell, f.rel)
	}
	return nil
}

// subdirs returns the directories in dir, real ones only, as directory name ->
// name; those whose names nfsim never makes are left out.
func subdirs(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dirs := make(map[string]string)
	for _, e := range entries {
		if name, err := NameOf(e.Name()); err == nil && e.IsDir() {
			dirs[e.Name()] = name
		}
	}
	return dirs, nil
}

// History reads history.jsonl.
func (t *Trial) History() (ops []history.Op, rep history.Report, err error) {
	f, err := openIn(t.Dir, historyFile, maxLines)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, history.Report{}, nil
	}
	if err != nil {
		return nil, history.Report{}, fmt.Errorf("read history: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, history.Report{}, fmt.Errorf("read history: %w", err)
	}
	return history.LoadSize(f, info.Size())
}

// Faults reads faults.jsonl.
func (t *Trial) Faults() ([]FaultRecord, error) { return readLines[FaultRecord](t.Dir, faultsFile) }

// Observations reads observations.jsonl.
func (t *Trial) Observations() ([]Observation, error) {
	return readLines[Observation](t.Dir, observationsFile)
}

// LedgerBefore reads ledger-before.json; nil when none was taken.
func (t *Trial) LedgerBefore() (Ledger, error) { return t.ledger(ledgerBeforeFile) }

// LedgerAfter reads ledger-after.json; nil when none was taken.
func (t *Trial) LedgerAfter() (Ledger, error) { return t.ledger(ledgerAfterFile) }

func (t *Trial) ledger(name string) (Ledger, error) {
	var l Ledger
	err := readJSON(t.Dir, name, &l)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return l, nil
}

// Logs lists the files below logs/, relative to the trial's directory.
func (t *Trial) Logs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(t.Dir, "logs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, "logs/"+e.Name())
		}
	}
	return names, nil
}
