package rundir

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// Do is what a step does.
type Do string

// What steps do, with the fields that belong to each beside T, End and Error.
// Stream is a name for what goes on until a DoStop of the same name.
const (
	DoPhase    Do = "phase"    // Name: what comes now, for a person
	DoExport   Do = "export"   // Machine, Path, Options: a directory of the server is made and exported
	DoMount    Do = "mount"    // Machine, Source, Path, Options, WithinNS
	DoUnmount  Do = "unmount"  // Machine, Path
	DoRequest  Do = "request"  // Request: something was changed in the API
	DoInject   Do = "inject"   // Name, Machine, Script, Proof, WithinNS; no Script: done from outside of the machine
	DoHeal     Do = "heal"     // Name, Machine, Script, Proof, WithinNS; no Script: nothing but the proof
	DoPod      Do = "pod"      // Name, Machine, Pod: where a pod's container was found on its node
	DoAppend   Do = "append"   // Stream, Name (client), Machine, In, Path, Source (below the export), Options (none, fsync, osync, close), EveryNS, Count (at most)
	DoPoll     Do = "poll"     // Stream, Machine, Path, Options (how), EveryNS: looked at again and again
	DoWatch    Do = "watch"    // Stream, Name (event), Machine, In (pod), Path, Options (mounts, process, poller): waited for the end of
	DoStop     Do = "stop"     // Stream
	DoAwait    Do = "await"    // Name (event), Machine, In (pod), WithinNS; or Stream and Count: so many more rounds of it
	DoWait     Do = "wait"     // WithinNS: time was let pass
	DoCall     Do = "call"     // Machine, Call: a call on files
	DoTeardown Do = "teardown" // everything after it puts things back
)

func dos() []Do {
	return []Do{
		DoPhase, DoExport, DoMount, DoUnmount, DoRequest, DoInject, DoHeal, DoPod,
		DoAppend, DoPoll, DoWatch, DoStop, DoAwait, DoWait, DoCall, DoTeardown,
	}
}

// Step is one line of steps.jsonl: something that the trial did or waited for,
// and that a person who repeats it by hand has to do too. Times are ns on the
// controller's monotonic clock.
type Step struct {
	T     int64  `json:"t"`               // when it was begun
	End   int64  `json:"end,omitempty"`   // when it had ended; 0: it goes on
	Times int    `json:"times,omitempty"` // how often in a row, when it is more than once
	Error string `json:"error,omitempty"` // how it failed; for a call the name of the errno, or "hung"
	Do    Do     `json:"do"`

	Machine  string `json:"machine,omitempty"`
	Name     string `json:"name,omitempty"`
	Stream   string `json:"stream,omitempty"`
	In       string `json:"in,omitempty"` // the pod, where it is one
	Path     string `json:"path,omitempty"`
	Source   string `json:"source,omitempty"` // of a mount SERVER:/PATH; of an append the file below the export
	Options  string `json:"options,omitempty"`
	Script   string `json:"script,omitempty"` // POSIX shell, run as root
	Proof    string `json:"proof,omitempty"`  // POSIX shell, run again and again until it exits 0
	WithinNS int64  `json:"within_ns,omitempty"`
	EveryNS  int64  `json:"every_ns,omitempty"`
	Count    int64  `json:"count,omitempty"`

	Request *StepRequest `json:"request,omitempty"`
	Pod     *StepPod     `json:"pod,omitempty"`
	Call    *StepCall    `json:"call,omitempty"`
}

// StepRequest is a change that was asked of the API server, in its own words.
type StepRequest struct {
	Verb        string          `json:"verb"`            // create, update, patch or delete
	Group       string          `json:"group,omitempty"` // of the API; "" is the core
	Version     string          `json:"version"`
	Resource    string          `json:"resource"` // plural, as in "pods"
	Subresource string          `json:"subresource,omitempty"`
	Namespace   string          `json:"namespace,omitempty"`
	Name        string          `json:"name,omitempty"`
	Type        string          `json:"type,omitempty"`   // media type of the body
	Body        json.RawMessage `json:"body,omitempty"`   // what was sent: an object, a patch or the options of a deletion
	Status      int             `json:"status,omitempty"` // HTTP status of the answer
}

// StepPod is where a pod's container was found on its node.
type StepPod struct {
	UID       string `json:"uid"`
	Container string `json:"container"`          // the runtime's ID
	PID       int    `json:"pid"`                // of its process, in the node's namespace
	PIDFile   string `json:"pid_file"`           // that the runtime keeps
	Dir       string `json:"dir"`                // that the kubelet keeps
	HostMount string `json:"host_mount"`         // where the kubelet mounted the volume
	Mount     string `json:"mount"`              // where the container has it
	Ignores   bool   `json:"ignores,omitempty"`  // its process goes on after SIGTERM
	Previous  string `json:"previous,omitempty"` // ID of the container before
}

// StepCall is one call on files, or several that make one operation.
type StepCall struct {
	Op     string   `json:"op"`           // of the agent (package agent/proto): open, write_record...
	FD     int64    `json:"fd,omitempty"` // the agent's number of an open file, of the machine
	Path   string   `json:"path,omitempty"`
	To     string   `json:"to,omitempty"`
	Flags  []string `json:"flags,omitempty"` // of open(2), in lower case and without O_
	Offset int64    `json:"offset,omitempty"`
	Size   int64    `json:"size,omitempty"` // bytes
	Token  string   `json:"token,omitempty"`
	Fsync  bool     `json:"fsync,omitempty"`
	Close  bool     `json:"close,omitempty"`
	Lock   string   `json:"lock,omitempty"` // "KIND TYPE", as in "posix write"; with " wait" at the end it waits
	Lane   string   `json:"lane,omitempty"` // calls of one lane never overlap
}

// Longest texts of a step, in bytes.
const (
	maxStepWord   = 4 << 10
	maxStepScript = 64 << 10
	// MaxSteps is how many steps of a trial are read.
	MaxSteps = 20_000
)

// check refuses a step that nfsim never writes: of an unknown kind, or with a
// word that has control characters in it.
func (s *Step) check() error {
	if !slices.Contains(dos(), s.Do) {
		return fmt.Errorf("unknown step %q", s.Do)
	}
	words := []string{s.Error, s.Machine, s.Name, s.Stream, s.In, s.Path, s.Source, s.Options}
	if r := s.Request; r != nil {
		words = append(words, r.Verb, r.Group, r.Version, r.Resource, r.Subresource, r.Namespace, r.Name, r.Type)
	}
	if p := s.Pod; p != nil {
		words = append(words, p.UID, p.Container, p.PIDFile, p.Dir, p.HostMount, p.Mount, p.Previous)
	}
	if c := s.Call; c != nil {
		words = append(words, c.Op, c.Path, c.To, c.Token, c.Lock, c.Lane)
		words = append(words, c.Flags...)
	}
	for _, w := range words {
		if len(w) > maxStepWord || strings.ContainsFunc(w, unicode.IsControl) {
			return fmt.Errorf("step %q has a word that is too long or has control characters: %.40q", s.Do, w)
		}
	}
	for _, script := range []string{s.Script, s.Proof} {
		if len(script) > maxStepScript || strings.ContainsFunc(script, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			return fmt.Errorf("step %q has a script that is too long or has control characters: %.40q", s.Do, script)
		}
	}
	need := map[Do]bool{DoRequest: s.Request != nil, DoPod: s.Pod != nil, DoCall: s.Call != nil}
	if has, needed := need[s.Do]; needed && !has {
		return fmt.Errorf("step %q says not what", s.Do)
	}
	if s.Times < 0 || s.WithinNS < 0 || s.EveryNS < 0 || s.Count < 0 {
		return fmt.Errorf("step %q has a negative number", s.Do)
	}
	return nil
}

// Steps writes steps.jsonl; none at all make no file.
func (t *TrialWriter) Steps(steps []Step) error {
	if len(steps) == 0 {
		return nil
	}
	var lines []byte
	for i := range steps {
		line, err := json.Marshal(&steps[i])
		if err != nil {
			return fmt.Errorf("record steps: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if err := writeFileAtomic(filepath.Join(t.dir, stepsFile), lines); err != nil {
		return fmt.Errorf("record steps: %w", err)
	}
	return nil
}

// Steps reads steps.jsonl, in the order in which the steps were begun; none
// when nothing was recorded. A step that nfsim never writes is a *DamagedError.
func (t *Trial) Steps() ([]Step, error) {
	steps, err := readLines[Step](t.Dir, stepsFile)
	if err != nil {
		return nil, err
	}
	if len(steps) > MaxSteps {
		return nil, &DamagedError{Path: filepath.Join(t.Dir, stepsFile), Err: fmt.Errorf("%d steps are more than %d", len(steps), MaxSteps)}
	}
	for i := range steps {
		if err := steps[i].check(); err != nil {
			return nil, &DamagedError{Path: filepath.Join(t.Dir, stepsFile), Err: fmt.Errorf("line %d: %w", i+1, err)}
		}
	}
	return steps, nil
}
