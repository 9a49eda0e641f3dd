package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/lock"
	"github.com/nfsim/nfsim/pkg/lab/qemu/host"
	"github.com/nfsim/nfsim/pkg/lab/qemu/network"
)

// Phase is where a lab is in its life.
type Phase string

// The phases. A lab is usable when it is Ready and no other.
const (
	Starting  Phase = "starting"  // images, cold boot or restore
	Ready     Phase = "ready"     // SSH on all machines, API ready, all nodes Ready
	Restoring Phase = "restoring" // going back to the ready snapshot
	Broken    Phase = "broken"    // a restore failed; another one may do
	Stopping  Phase = "stopping"
	Failed    Phase = "failed" // did not come up; Status.Error says why
	Down      Phase = "down"
	Stale     Phase = "stale" // its keeper died; said by ReadStatus, never by a keeper
)

// Alive says whether a keeper is behind the phase.
func (p Phase) Alive() bool {
	return p == Starting || p == Ready || p == Restoring || p == Broken || p == Stopping
}

// Status is what a keeper says of its lab.
type Status struct {
	Schema     int             `json:"schema"` // StatusSchema
	Name       string          `json:"name"`
	Phase      Phase           `json:"phase"`
	Step       string          `json:"step"` // the last line of progress
	KeeperPID  int             `json:"keeperPID"`
	Tethered   bool            `json:"tethered"` // ends with the process that started it
	Started    time.Time       `json:"started"`
	Spec       Spec            `json:"spec"` // with defaults and versions filled in
	Accel      host.Accel      `json:"accel"`
	AccelWhy   string          `json:"accelWhy"`
	QEMU       string          `json:"qemu"`     // version
	ReadyKey   string          `json:"readyKey"` // of the ready snapshot
	Machines   []MachineStatus `json:"machines"`
	APIServer  string          `json:"apiServer"` // host:port on 127.0.0.1
	ColdBootMS int64           `json:"coldBootMS,omitempty"`
	RestoreMS  int64           `json:"restoreMS,omitempty"` // the last restore, until the lab was ready
	Restores   int             `json:"restores"`
	Error      *Failure        `json:"error,omitempty"`
}

// StatusSchema is the version of Status.
const StatusSchema = 1

// MachineStatus is one machine of a Status.
type MachineStatus struct {
	lab.Machine
	MemMiB  int                `json:"memMiB"`
	State   string             `json:"state"` // "off", "booting", "running", "gone: REASON"
	PID     int                `json:"pid,omitempty"`
	SSH     string             `json:"ssh,omitempty"` // host:port on 127.0.0.1
	Console string             `json:"console"`
	Clock   *Clock             `json:"clock,omitempty"`
	Link    *network.LinkStats `json:"link,omitempty"`
}

// Clock is how far a machine's wall clock was from this host's when it was last
// set, and how surely that is known.
type Clock struct {
	OffsetMS float64   `json:"offsetMS"` // machine minus host
	ErrorMS  float64   `json:"errorMS"`  // half the round trip
	At       time.Time `json:"at"`
}

// Failure is a *lab.InfraError or *lab.UsageError on its way through a file or
// a socket.
type Failure struct {
	Usage       bool   `json:"usage,omitempty"`
	Machine     string `json:"machine,omitempty"`
	What        string `json:"what"`
	Advice      string `json:"advice,omitempty"`
	ConsoleTail string `json:"consoleTail,omitempty"`
}

// FailureOf writes down an error; nil stays nil.
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	var usage *lab.UsageError
	if errors.As(err, &usage) {
		return &Failure{Usage: true, What: err.Error()}
	}
	var infra *lab.InfraError
	if errors.As(err, &infra) {
		plain := *infra
		plain.Machine, plain.Advice, plain.ConsoleTail = "", "", ""
		return &Failure{Machine: infra.Machine, What: plain.Error(), Advice: infra.Advice, ConsoleTail: infra.ConsoleTail}
	}
	return &Failure{What: err.Error()}
}

// Err is the error that was written down.
func (f *Failure) Err() error {
	switch {
	case f == nil:
		return nil
	case f.Usage:
		return &lab.UsageError{What: f.What, Advice: f.Advice}
	}
	return &lab.InfraError{Machine: f.Machine, What: f.What, Advice: f.Advice, ConsoleTail: f.ConsoleTail}
}

// WriteStatus replaces the status file as a whole.
func (d Dir) WriteStatus(s Status) error {
	s.Schema = StatusSchema
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return writeFile(d.Status(), append(b, '\n'), 0o600)
}

// ReadStatus reads the status file. When it speaks of a living keeper and no
// process holds the lab's lock, the phase is Stale. A lab that never was is an
// fs.ErrNotExist.
func (d Dir) ReadStatus() (Status, error) {
	f, err := os.Open(d.Status())
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	defer f.Close()
	s, err := parseStatus(f)
	var usage *lab.UsageError
	switch {
	case errors.As(err, &usage):
		return Status{}, fmt.Errorf("%s: %w", d.Status(), err)
	case err != nil:
		return Status{}, &lab.InfraError{
			What:   d.Status() + " is damaged",
			Advice: "`nfsim lab down` ends what is left of the lab, `nfsim lab up` starts it anew",
			Err:    err,
		}
	}
	if s.Phase.Alive() {
		if _, held, err := lock.Holder(d.Lock()); err == nil && !held {
			s.Phase = Stale
		}
	}
	return s, nil
}

// maxStatus bounds a status file or message, in bytes.
const maxStatus = 1 << 20

func parseStatus(r io.Reader) (Status, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxStatus))
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	var s Status
	if err := json.Unmarshal(b, &s); err != nil {
		return Status{}, fmt.Errorf("parse status: %w", err)
	}
	if s.Schema != StatusSchema {
		return Status{}, &lab.UsageError{
			What:   fmt.Sprintf("the lab's status has schema %d, this nfsim knows %d", s.Schema, StatusSchema),
			Advice: "take the lab down with the nfsim that started it",
		}
	}
	return s, nil
}

// writeFile replaces a file as a whole.
func writeFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
