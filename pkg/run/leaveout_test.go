package run

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// labWithoutPower is a lab that may be asked for its provider, and no more: a
// call of anything else panics.
type labWithoutPower struct{ lab.Lab }

func (labWithoutPower) Provider() string { return "inventory" }

// labWithPower can cut power, too.
type labWithPower struct{ labWithoutPower }

func (labWithPower) Reset(context.Context, string) error { return nil }

type silent struct{}

func (silent) Say(string, ...any)               {}
func (silent) Start(Batch, string)              {}
func (silent) Phase(Batch, string)              {}
func (silent) Done(Batch, time.Duration, error) {}

// TestLeaveOut checks that cells which are not executed are in the record with
// the reason, are judged not applicable, never green, and that the lab is not
// touched for them.
func TestLeaveOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		lab    lab.Lab
		batch  Batch
		reason string // "" is executed
	}{
		{"power on a lab without", labWithoutPower{}, Batch{Scenario: scenarios.Scenario{Power: true}}, "provider inventory"},
		{"power on a lab that has it", labWithPower{}, Batch{Scenario: scenarios.Scenario{Power: true}}, ""},
		{"left out by the plan", labWithPower{}, Batch{NotApplicable: "left out of a quick run"}, "left out of a quick run"},
		{"nothing special", labWithoutPower{}, Batch{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
			must(t, err)
			must(t, r.WriteFingerprint(rundir.Fingerprint{}))
			tc.batch.ID, tc.batch.Repeat = "close-to-open-1", 1
			tc.batch.Scenario.Name, tc.batch.Scenario.Family = "close-to-open", "nfs"
			tc.batch.Profiles = []nfs.Profile{{Name: "a"}, {Name: "b"}}
			e := &executor{lab: tc.lab, run: r, plan: Plan{Batches: []Batch{tc.batch}}, progress: silent{}, log: io.Discard}
			rest, err := e.leaveOut()
			must(t, err)
			if executed := len(rest) == 1; executed != (tc.reason == "") {
				t.Fatalf("executed: %v", executed)
			}
			index, err := Check(r)
			must(t, err)
			if tc.reason == "" {
				if len(index.Verdicts) != 0 {
					t.Errorf("%d verdicts before anything was done", len(index.Verdicts))
				}
				return
			}
			var statuses []rundir.Status
			for _, v := range index.Verdicts {
				statuses = append(statuses, v.Status)
				if len(v.Outcomes) != 1 || !strings.Contains(v.Outcomes[0].Evidence, tc.reason) {
					t.Errorf("outcomes %s, want the reason %q", words(v), tc.reason)
				}
			}
			if diff := cmp.Diff([]rundir.Status{rundir.StatusNotApplicable, rundir.StatusNotApplicable}, statuses); diff != "" {
				t.Error(diff)
			}
			if code := report.Exit(index); code != report.ExitInconclusive {
				t.Errorf("a run in which nothing was executed ends with %d", code)
			}
		})
	}
}
