// Package repro renders the steps of a recorded trial as a shell script that
// repeats them by hand, on any machines, with kubectl, ssh and what a Debian
// system has: something that a bug report can carry. It needs no lab.
//
//	script, err := repro.Script(run, trial)
//
// What it reads is untrusted: every word is quoted, and what stands in a comment
// has no line break. The commands of faults are those that were recorded: read
// them before you run them.
package repro

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// Script renders the trial's steps. A trial without steps, of an nfsim that
// recorded none or with no scenario to execute, has no script: "".
func Script(run *rundir.Run, t *rundir.Trial) (string, error) {
	steps, err := t.Steps()
	if err != nil {
		return "", fmt.Errorf("render script: %w", err)
	}
	if len(steps) == 0 {
		return "", nil
	}
	observations, err := t.Observations()
	if err != nil {
		return "", fmt.Errorf("render script: %w", err)
	}
	verdicts, err := run.Verdicts()
	if err != nil {
		return "", fmt.Errorf("render script: %w", err)
	}
	fingerprint, err := run.Fingerprint()
	if err != nil {
		return "", fmt.Errorf("render script: %w", err)
	}
	w := newWriter(t.Meta, steps)
	w.body(observations)
	var out strings.Builder
	w.header(&out, run.Meta(), fingerprint, verdictOf(verdicts, t.Meta.Cell()), t.Rel)
	out.WriteString(w.library())
	out.WriteString(w.out.String())
	return out.String(), nil
}

// WriteAll writes repro.sh beside every trial of the run that has steps. One
// that cannot be rendered does not keep the others from it.
func WriteAll(run *rundir.Run) error {
	trials, err := run.Trials()
	if err != nil {
		return fmt.Errorf("write scripts: %w", err)
	}
	var failed error
	for _, t := range trials {
		if t.Err != nil {
			continue
		}
		script, err := Script(run, t)
		if err == nil && script != "" {
			err = run.WriteScript(t.Meta.Cell(), script)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func verdictOf(list []rundir.Verdict, c rundir.Cell) *rundir.Verdict {
	for i := range list {
		if list[i].Cell() == c {
			return &list[i]
		}
	}
	return nil
}

// The roles of a trial's machines, as the script calls them: what is broken, if
// a worker is; the other worker; the NFS server.
const (
	roleA      = "A"
	roleB      = "B"
	roleServer = "SERVER"
)

// writer makes the script of one trial.
type writer struct {
	meta  rundir.TrialMeta
	steps []rundir.Step
	roles map[string]string // by machine
	vars  []variable        // what is another thing where the script runs
	out   strings.Builder

	pods     map[string]int    // number of a pod, by name
	streams  map[string]stream // by the recorded name
	handles  map[string]string // by machine and descriptor
	pending  map[string]string // handle -> variable with the process that still uses it
	names    map[string]int    // how often a name was given
	requests []rundir.Step     // objects that were made, for the end
	mounts   [][2]string       // role and mount point, for the end
	marks    map[string]int64  // when the script's moments were in the trial, ns
}

// variable stands for a recorded text in the script.
type variable struct {
	text, name string
	word       bool // only where it stands alone, not within a longer name
}

// stream is something that goes on in the background.
type stream struct {
	name string // in the script
	kind rundir.Do
	file string // on the server's disk, for an append; as a word of the script
	who  string // of the records
	role string
}

func newWriter(meta rundir.TrialMeta, steps []rundir.Step) *writer {
	w := &writer{
		meta: meta, steps: steps, roles: map[string]string{}, pods: map[string]int{}, streams: map[string]stream{},
		handles: map[string]string{}, pending: map[string]string{}, names: map[string]int{}, marks: map[string]int64{},
	}
	for i, m := range meta.Resources {
		if i < 2 && !strings.Contains(m, " ") {
			w.roles[m] = []string{roleA, roleB}[i]
		}
	}
	for i := range steps {
		w.learn(&steps[i])
	}
	return w
}

// learn takes from a step what is named by variables.
func (w *writer) learn(s *rundir.Step) {
	switch s.Do {
	case rundir.DoExport:
		w.roles[s.Machine] = roleServer
		if !slices.ContainsFunc(w.vars, func(v variable) bool { return v.name == "EXPORT" }) {
			w.let(s.Path, "EXPORT", false)
		}
	case rundir.DoMount:
		if addr, _, ok := strings.Cut(s.Source, ":/"); ok {
			w.let(strings.Trim(addr, "[]"), "SERVER_ADDR", true)
		}
		name := "MNT"
		if n := len(w.mountPoints()); n > 0 {
			name = fmt.Sprintf("MNT_%d", n+1)
		}
		w.let(s.Path, name, false)
	case rundir.DoRequest:
		if s.Request.Resource == "namespaces" && s.Request.Verb == "create" {
			w.let(nameIn(s.Request), "NS", false)
		}
		w.let(s.Request.Namespace, "NS", false)
		if server := find(decode(s.Request.Body), "spec", "nfs", "server"); server != "" {
			w.let(server, "SERVER_ADDR", true)
		}
	case rundir.DoPod:
		if w.pods[s.Name] == 0 {
			w.pods[s.Name] = len(w.pods) + 1
		}
		n := w.pods[s.Name]
		w.let(s.Pod.HostMount, fmt.Sprintf("HOST_%d", n), false)
		w.let(s.Pod.UID, fmt.Sprintf("POD_UID_%d", n), false)
		w.let(s.Pod.Container, fmt.Sprintf("CONTAINER_%d", n), false)
		if s.Pod.PID > 1 {
			w.let(fmt.Sprintf("/proc/%d/", s.Pod.PID), fmt.Sprintf("PROC_%d", n), false)
		}
	default:
	}
}

// mountPoints are the variables of the mount points so far.
func (w *writer) mountPoints() []string {
	var out []string
	for _, v := range w.vars {
		if strings.HasPrefix(v.name, "MNT") {
			out = append(out, v.name)
		}
	}
	slices.Sort(out)
	return out
}

// let has a variable stand for a text from now on.
func (w *writer) let(text, name string, word bool) {
	if len(text) < 2 || slices.ContainsFunc(w.vars, func(v variable) bool { return v.text == text }) {
		return
	}
	w.vars = append(w.vars, variable{text: text, name: name, word: word})
	slices.SortStableFunc(w.vars, func(a, b variable) int { return len(b.text) - len(a.text) })
}

// role is what the script calls a machine.
func (w *writer) role(machine string) string {
	if r := w.roles[machine]; r != "" {
		return r
	}
	return roleA
}

// unique makes a name of the script out of a word.
func (w *writer) unique(word string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, word), "_")
	if name == "" {
		name = "it"
	}
	w.names[name]++
	if n := w.names[name]; n > 1 {
		return fmt.Sprintf("%s_%d", name, n)
	}
	return name
}

// line writes one line of the script.
func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.out, format+"\n", args...)
}

// comment writes a comment of one line.
func (w *writer) comment(format string, args ...any) {
	w.line("# %s", clean(fmt.Sprintf(format, args...)))
}

// at is when a moment of the trial was, counted from its begin.
func (w *writer) at(ns int64) string {
	return fmt.Sprintf("%.1f s", float64(ns-w.meta.StartedNS)/1e9)
}

// took is for how long a step went on, as a comment at the end of a line.
func took(s *rundir.Step) string {
	switch {
	case s.Error != "" && s.End > s.T:
		return fmt.Sprintf(" # %s after %s: %s", "failed", seconds(s.End-s.T), clean(s.Error))
	case s.Error != "":
		return " # " + clean(s.Error)
	case s.End > s.T:
		return " # took " + seconds(s.End-s.T)
	}
	return ""
}

func seconds(ns int64) string {
	return fmt.Sprintf("%.1f s", float64(ns)/1e9)
}

// within is a deadline in whole seconds, at least 30: a person's machines may be
// slower than the recorded ones.
func within(ns int64) int64 {
	return max(int64((time.Duration(ns)+time.Second-1)/time.Second), 30)
}
