package rundir

import "time"

// SchemaVersion is the version of the run directory that this package writes
// and the only one that it reads.
const SchemaVersion = 1

// RunMeta is run.json: what the run was asked to do and when.
type RunMeta struct {
	Schema       int       `json:"schema"`
	ID           string    `json:"id"`
	Started      time.Time `json:"started"`
	Ended        time.Time `json:"ended,omitzero"`  // zero while it runs, and for ever if it was killed
	NfsimVersion string    `json:"nfsim_version"`   // of the nfsim that recorded it
	Command      []string  `json:"command"`         // the command line; never holds secrets
	Seed         int64     `json:"seed"`            // of every random choice of the run
	Lab          LabMeta   `json:"lab"`             // what it ran on
	LeaseS       float64   `json:"lease_s"`         // NFSv4 lease time of the server, s
	GraceS       float64   `json:"grace_s"`         // NFSv4 grace period of the server, s
	Repeat       int       `json:"repeat,omitzero"` // executions of every cell
	Full         bool      `json:"full,omitempty"`  // the long axes too
	Batches      []Batch   `json:"batches"`         // the plan, in order
	// ClusterFrozen says that the control plane and the kubelets stood still, since
	// no scenario of the run needed them.
	ClusterFrozen bool `json:"cluster_frozen,omitempty"`
}

// LabMeta names the lab of a run.
type LabMeta struct {
	Provider string `json:"provider"` // qemu, vagrant, inventory
	Name     string `json:"name"`
}

// Batch is a set of trials that run side by side.
type Batch struct {
	Name  string `json:"name"`
	Cells []Cell `json:"cells"`
}

// Cell is one planned trial.
type Cell struct {
	Scenario string `json:"scenario"` // FAMILY.NAME, as in "kubelet.kubelet-restart"
	Profile  string `json:"profile"`  // as in "actimeo=1"
	Repeat   int    `json:"repeat"`   // from 1
}

// Fingerprint is what is under test, as measured: machine -> what -> version,
// as in "worker1" -> "kernel" -> "6.12.63+deb13-amd64".
type Fingerprint map[string]map[string]string

// TrialMeta is trial.json: one execution of a cell, without what was recorded
// in the files beside it.
type TrialMeta struct {
	Schema   int    `json:"schema"`
	Scenario string `json:"scenario"` // FAMILY.NAME
	Profile  string `json:"profile"`
	Repeat   int    `json:"repeat"` // from 1
	Batch    string `json:"batch,omitempty"`

	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
	StartedNS int64     `json:"started_ns,omitempty"` // ns, controller's monotonic clock
	EndedNS   int64     `json:"ended_ns,omitempty"`   // ns, controller's monotonic clock

	Asked      string            `json:"asked,omitempty"`       // mount options as asked for
	Granted    map[string]string `json:"granted,omitempty"`     // mount options that the kernel granted; "" for a flag
	GrantedRaw string            `json:"granted_raw,omitempty"` // the same as the kernel wrote them
	Export     string            `json:"export,omitempty"`      // export options
	Server     string            `json:"server,omitempty"`      // settings of the server that the profile asks for, and what the kernel showed
	MountLines []string          `json:"mount_lines,omitempty"` // lines of mountinfo, "MACHINE: LINE"
	Resources  []string          `json:"resources,omitempty"`   // machines and exports that the trial had for itself

	ClockErrNS int64    `json:"clock_err_ns,omitempty"` // ns, largest error bound of the mapped clocks
	WaitNS     int64    `json:"wait_ns,omitempty"`      // ns spent waiting for observed events; the rest is overhead
	ChainNS    int64    `json:"chain_ns,omitempty"`     // ns of the longest chain of such waits, one after the other
	Retries    int      `json:"retries,omitempty"`      // earlier executions that the infrastructure spoilt
	Pauses     []Pause  `json:"pauses,omitempty"`       // during which a person had the lab
	Repro      []string `json:"repro,omitempty"`        // commands that repeat the trial

	Params map[string]string `json:"params,omitempty"` // of the drive: what was asked for
	Facts  map[string]any    `json:"facts,omitempty"`  // of the drive: what was measured; numbers, strings, booleans

	NotApplicable string `json:"not_applicable,omitempty"` // why the cell was not executed
	Finished      bool   `json:"finished"`                 // written last; false is a trial that was cut short
	Error         string `json:"error,omitempty"`          // why the infrastructure could not finish the trial
}

// Pause is a time for which a trial stood still, for a person to look. Times are
// ns on the controller's monotonic clock.
type Pause struct {
	Before  string `json:"before"`             // the phase that came after it
	BeganNS int64  `json:"began_ns"`           // ns
	EndedNS int64  `json:"ended_ns,omitempty"` // ns; 0: the trial was given up in it
}

// Lasted is for how long the trial stood still; 0 when it was given up.
func (p Pause) Lasted() time.Duration { return time.Duration(max(p.EndedNS-p.BeganNS, 0)) }

// Cell returns the trial's place in the plan.
func (m *TrialMeta) Cell() Cell {
	return Cell{Scenario: m.Scenario, Profile: m.Profile, Repeat: m.Repeat}
}
