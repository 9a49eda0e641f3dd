package run

import (
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
)

func TestLooked(t *testing.T) {
	t.Parallel()
	pauses := []rundir.Pause{{Before: "fault", BeganNS: 1e9, EndedNS: 64e9}, {Before: "fault", BeganNS: 70e9}}
	for status, want := range map[rundir.Status]rundir.Status{
		rundir.StatusExpected:     rundir.StatusInconclusive,
		rundir.StatusNew:          rundir.StatusInconclusive,
		rundir.StatusCaught:       rundir.StatusInconclusive,
		rundir.StatusInconclusive: rundir.StatusInconclusive,
		rundir.StatusMissed:       rundir.StatusMissed,
	} {
		v := rundir.Verdict{Status: status, Modes: []rundir.ModeVerdict{{Mode: "m", Status: status}}}
		if got := looked(v, nil); got.Status != status || len(got.Outcomes) > 0 || got.Modes[0].Status != status {
			t.Errorf("%s, no pause: %+v", status, got)
		}
		got := looked(v, pauses)
		if got.Status != want || got.Modes[0].Status != rundir.StatusInconclusive {
			t.Errorf("%s: %s, mode %s", status, got.Status, got.Modes[0].Status)
		}
		if text := got.Outcomes[0].Evidence; !strings.Contains(text, "1m3s before fault, 0s before fault") {
			t.Errorf("%s: said %q", status, text)
		}
	}
}

func TestNoControls(t *testing.T) {
	t.Parallel()
	plan, err := MakePlan(Request{Scenarios: []string{"partition"}, Profiles: []string{"default"}, NoControls: true}, nfs.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	if plan.Cells() != 1 || len(plan.Added) > 0 {
		t.Errorf("%d cells, added %v", plan.Cells(), plan.Added)
	}
}
