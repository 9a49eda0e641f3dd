package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
)

// TrialWriter records one trial. It is safe for concurrent use.
type TrialWriter struct {
	dir          string
	history      *history.Recorder
	faults       *lineFile
	observations *lineFile

	mu       sync.Mutex
	meta     TrialMeta
	finished bool
}

// NewTrial makes the directory of a trial and writes a first trial.json, not
// finished yet. A trial that is recorded already is a *TrialExistsError; one
// that was cut short or spoilt by the infrastructure is moved aside to
// N.spoilt-K and kept, and meta.Retries counts it.
func (r *Run) NewTrial(meta TrialMeta) (*TrialWriter, error) {
	rel, err := trialPath(meta.Cell())
	if err != nil {
		return nil, fmt.Errorf("new trial: %w", err)
	}
	dir := filepath.Join(r.dir, rel)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("new trial: %w", err)
	}
	spoilt, err := moveAside(dir, meta.Cell())
	if err != nil {
		return nil, fmt.Errorf("new trial: %w", err)
	}
	meta.Retries = max(meta.Retries, spoilt)
	meta.Schema, meta.Finished, meta.Error = SchemaVersion, false, ""
	if meta.Started.IsZero() {
		meta.Started = time.Now()
	}
	meta.Facts, meta.Params = maps.Clone(meta.Facts), maps.Clone(meta.Params)
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return nil, fmt.Errorf("new trial: %w", err)
	}
	t := &TrialWriter{dir: dir, meta: meta}
	if err := t.open(); err != nil {
		return nil, fmt.Errorf("new trial: %w", err)
	}
	return t, nil
}

func (t *TrialWriter) open() (err error) {
	if t.history, err = history.NewRecorder(filepath.Join(t.dir, historyFile)); err != nil {
		return err
	}
	if t.faults, err = newLineFile(filepath.Join(t.dir, faultsFile)); err != nil {
		return errors.Join(err, t.history.Close())
	}
	if t.observations, err = newLineFile(filepath.Join(t.dir, observationsFile)); err != nil {
		return errors.Join(err, t.history.Close(), t.faults.close())
	}
	return writeJSON(filepath.Join(t.dir, trialFile), t.meta)
}

// moveAside makes room for a trial at dir and returns how many spoilt
// executions lie beside it.
func moveAside(dir string, cell Cell) (int, error) {
	spoilt := 0
	for {
		if _, err := os.Lstat(spoiltName(dir, spoilt+1)); err != nil {
			break
		}
		spoilt++
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return spoilt, nil
	} else if err != nil {
		return spoilt, err
	}
	var have TrialMeta
	if err := readJSON(dir, trialFile, &have); err == nil && have.Finished && have.Error == "" {
		return spoilt, &TrialExistsError{Cell: cell}
	}
	return spoilt + 1, os.Rename(dir, spoiltName(dir, spoilt+1))
}

func spoiltName(dir string, n int) string { return dir + ".spoilt-" + strconv.Itoa(n) }

// Dir returns the path of the trial's directory.
func (t *TrialWriter) Dir() string { return t.dir }

// History returns the recorder of history.jsonl.
func (t *TrialWriter) History() *history.Recorder { return t.history }

// Fault appends to faults.jsonl, at once.
func (t *TrialWriter) Fault(f FaultRecord) error {
	if err := t.faults.add(f, true); err != nil {
		return fmt.Errorf("record fault: %w", err)
	}
	return nil
}

// Observe appends to observations.jsonl.
func (t *TrialWriter) Observe(o Observation) error {
	if err := t.observations.add(o, false); err != nil {
		return fmt.Errorf("record observation: %w", err)
	}
	return nil
}

// LedgerBefore writes ledger-before.json.
func (t *TrialWriter) LedgerBefore(l Ledger) error {
	return writeJSON(filepath.Join(t.dir, ledgerBeforeFile), l)
}

// LedgerAfter writes ledger-after.json.
func (t *TrialWriter) LedgerAfter(l Ledger) error {
	return writeJSON(filepath.Join(t.dir, ledgerAfterFile), l)
}

// Log opens logs/NAME for appending; a name that is no plain file name is
// escaped.
func (t *TrialWriter) Log(name string) (io.WriteCloser, error) {
	safe, err := SafeName(name)
	if err != nil {
		return nil, fmt.Errorf("open log of trial: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(t.dir, "logs", safe), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of trial: %w", err)
	}
	return f, nil
}

// SetFact records something measured: a number, string or boolean. A number
// that is not finite is recorded as its text, because JSON has no such number.
func (t *TrialWriter) SetFact(key string, value any) {
	if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		value = strconv.FormatFloat(f, 'g', -1, 64)
	}
	t.Update(func(m *TrialMeta) {
		if m.Facts == nil {
			m.Facts = make(map[string]any)
		}
		m.Facts[key] = value
	})
}

// Update changes the trial's meta data by fn. It is on disk after Finish, or
// after Sync.
func (t *TrialWriter) Update(fn func(*TrialMeta)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn(&t.meta)
}

// Sync writes what is recorded so far to disk, trial.json included.
func (t *TrialWriter) Sync() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return nil
	}
	if err := errors.Join(t.history.Flush(), writeJSON(filepath.Join(t.dir, trialFile), t.meta)); err != nil {
		return fmt.Errorf("sync trial: %w", err)
	}
	return nil
}

// Finish ends the recording. A cause that is not nil is why the
// infrastructure could not finish the trial. The files are on disk before
// trial.json says that the trial is finished. A second call does nothing.
func (t *TrialWriter) Finish(cause error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return nil
	}
	t.finished = true
	err := errors.Join(t.history.Close(), t.faults.close(), t.observations.close())
	if err != nil {
		return fmt.Errorf("finish trial: %w", err)
	}
	if cause != nil {
		t.meta.Error = cause.Error()
	}
	if t.meta.Ended.IsZero() {
		t.meta.Ended = time.Now()
	}
	t.meta.Finished = true
	if err := writeJSON(filepath.Join(t.dir, trialFile), t.meta); err != nil {
		return fmt.Errorf("finish trial: %w", err)
	}
	return nil
}
