package rundir_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// recordedSteps writes a trial with steps and returns it as it is read.
func recordedSteps(t *testing.T, steps []rundir.Step) *rundir.Trial {
	t.Helper()
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
	must(t, err)
	tw, err := run.NewTrial(rundir.TrialMeta{Scenario: "nfs.x", Profile: "default", Repeat: 1})
	must(t, err)
	must(t, tw.Steps(steps))
	must(t, tw.Finish(nil))
	trials, err := run.Trials()
	must(t, err)
	return trials[0]
}

func TestSteps(t *testing.T) {
	t.Parallel()
	grace := json.RawMessage(`{"gracePeriodSeconds":0}`)
	want := []rundir.Step{
		{T: 1, End: 5, Do: rundir.DoInject, Name: "kubelet-stop", Machine: "worker1", Script: "systemctl stop kubelet\n", Proof: "a\n\tb\n", WithinNS: 60e9},
		{T: 2, End: 3, Do: rundir.DoRequest, Request: &rundir.StepRequest{Verb: "delete", Version: "v1", Resource: "pods", Namespace: "n", Name: "p", Body: grace, Status: 200}},
		{T: 3, Do: rundir.DoPod, Name: "p", Pod: &rundir.StepPod{UID: "u", Container: "c", PID: 7, PIDFile: "/f", Dir: "/d", HostMount: "/m", Mount: "/data"}},
		{T: 4, End: 9, Times: 3, Do: rundir.DoCall, Machine: "worker1", Error: "EAGAIN", Call: &rundir.StepCall{Op: "lock", FD: 3, Lock: "posix write", Lane: "l"}},
	}
	got, err := recordedSteps(t, want).Steps()
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	none, err := recordedSteps(t, nil).Steps()
	if err != nil || none != nil {
		t.Errorf("no steps: %v, %v", none, err)
	}
}

func TestStepsAreUntrusted(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"unknown kind":            `{"t":1,"do":"format"}`,
		"no kind":                 `{"t":1}`,
		"line break in a name":    `{"t":1,"do":"phase","name":"a\nrm -rf /"}`,
		"escape in a path":        `{"t":1,"do":"mount","path":"/a\u001b[2J"}`,
		"escape in a script":      `{"t":1,"do":"inject","script":"true\u001b[2J"}`,
		"long word":               `{"t":1,"do":"phase","name":"` + strings.Repeat("a", 5000) + `"}`,
		"request without one":     `{"t":1,"do":"request"}`,
		"pod without one":         `{"t":1,"do":"pod"}`,
		"call without one":        `{"t":1,"do":"call"}`,
		"line break in a flag":    `{"t":1,"do":"call","call":{"op":"open","flags":["a\nb"]}}`,
		"line break in a pod":     `{"t":1,"do":"pod","pod":{"uid":"a\nb"}}`,
		"line break in a request": `{"t":1,"do":"request","request":{"verb":"a\nb"}}`,
		"negative":                `{"t":1,"do":"wait","within_ns":-1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trial := recordedSteps(t, []rundir.Step{{T: 1, Do: rundir.DoPhase, Name: "a"}})
			must(t, os.WriteFile(filepath.Join(trial.Dir, "steps.jsonl"), []byte(line+"\n"), 0o644))
			_, err := trial.Steps()
			var damaged *rundir.DamagedError
			if !errors.As(err, &damaged) {
				t.Errorf("error %v", err)
			}
		})
	}
	trial := recordedSteps(t, []rundir.Step{{T: 1, Do: rundir.DoPhase, Name: "a"}})
	must(t, os.WriteFile(filepath.Join(trial.Dir, "steps.jsonl"), []byte(strings.Repeat(`{"t":1,"do":"teardown"}`+"\n", rundir.MaxSteps+1)), 0o644))
	if _, err := trial.Steps(); err == nil {
		t.Error("no error for more steps than are read")
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
	must(t, err)
	tw, err := run.NewTrial(rundir.TrialMeta{Scenario: "nfs.x", Profile: "actimeo=1", Repeat: 1})
	must(t, err)
	must(t, tw.Finish(nil))
	trials, err := run.Trials()
	must(t, err)
	if got := trials[0].Script(); got != "" {
		t.Errorf("script %q before there is one", got)
	}
	must(t, run.WriteScript(trials[0].Meta.Cell(), "#!/bin/sh\n"))
	if got := trials[0].Script(); got != "cells/nfs.x/actimeo=1/1/repro.sh" {
		t.Errorf("script %q", got)
	}
}
