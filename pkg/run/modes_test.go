package run

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/report"
	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/scenarios"
)

// TestModes checks that every mode has a verdict of its own, and that the
// trial is no better than the worst of them.
func TestModes(t *testing.T) {
	t.Parallel()
	clean := outcome.New(outcome.Clean, "")
	mode := func(name string, outcomes ...outcome.Outcome) scenarios.Mode {
		return scenarios.Mode{Name: name, Outcomes: outcomes}
	}
	good := mode("good", outcome.New(outcome.Durable, ""))
	for _, tc := range []struct {
		name    string
		control bool
		j       scenarios.Judgement
		want    rundir.Status
		modes   map[string]rundir.Status
		code    int
	}{
		{
			name: "all as expected", j: scenarios.Judgement{Outcomes: []outcome.Outcome{clean}, Modes: []scenarios.Mode{good}},
			want: rundir.StatusExpected, modes: map[string]rundir.Status{"good": rundir.StatusExpected}, code: report.ExitExpected,
		},
		{
			name: "one is new", j: scenarios.Judgement{Outcomes: []outcome.Outcome{clean}, Modes: []scenarios.Mode{good, mode("bad", outcome.New(outcome.AckedLost, ""))}},
			want: rundir.StatusNew, modes: map[string]rundir.Status{"good": rundir.StatusExpected, "bad": rundir.StatusNew}, code: report.ExitNew,
		},
		{
			name: "one says nothing", j: scenarios.Judgement{Outcomes: []outcome.Outcome{clean}, Modes: []scenarios.Mode{good, mode("mute")}},
			want: rundir.StatusInconclusive, modes: map[string]rundir.Status{"good": rundir.StatusExpected, "mute": rundir.StatusInconclusive}, code: report.ExitInconclusive,
		},
		{
			name: "one has no meaning", j: scenarios.Judgement{Outcomes: []outcome.Outcome{clean}, Modes: []scenarios.Mode{good, mode("none", outcome.New(outcome.NotApplicable, ""))}},
			want: rundir.StatusExpected, modes: map[string]rundir.Status{"good": rundir.StatusExpected, "none": rundir.StatusNotApplicable}, code: report.ExitExpected,
		},
		{
			name: "nothing of the trial as a whole", j: scenarios.Judgement{Modes: []scenarios.Mode{good}},
			want: rundir.StatusExpected, modes: map[string]rundir.Status{"good": rundir.StatusExpected}, code: report.ExitExpected,
		},
		{
			name: "the fault did not happen", j: scenarios.Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "")}, Modes: []scenarios.Mode{good}},
			want: rundir.StatusInconclusive, modes: map[string]rundir.Status{"good": rundir.StatusExpected}, code: report.ExitInconclusive,
		},
		{
			name: "what is new beats what is undecided", j: scenarios.Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "")}, Modes: []scenarios.Mode{mode("bad", outcome.New(outcome.AckedLost, ""))}},
			want: rundir.StatusNew, modes: map[string]rundir.Status{"bad": rundir.StatusNew}, code: report.ExitNew,
		},
		{
			name: "a control's modes count for nothing", control: true,
			j:    scenarios.Judgement{Outcomes: []outcome.Outcome{clean}, Modes: []scenarios.Mode{mode("bad", outcome.New(outcome.AckedLost, ""))}, Caught: true},
			want: rundir.StatusCaught, modes: map[string]rundir.Status{"bad": rundir.StatusCaught}, code: report.ExitExpected,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := scenarios.Scenario{Name: "attr-cache", Family: "nfs", Control: tc.control, Judge: func(*scenarios.Evidence) scenarios.Judgement { return tc.j }}
			e := recorded(t, "nfs.attr-cache")
			v, code := checked(t, e, func(string) (scenarios.Scenario, bool) { return s, true })
			if v.Status != tc.want || code != tc.code {
				t.Errorf("status %s, exit code %d, want %s, %d", v.Status, code, tc.want, tc.code)
			}
			if len(v.Modes) != len(tc.modes) {
				t.Errorf("%d modes, want %d", len(v.Modes), len(tc.modes))
			}
			for _, m := range v.Modes {
				if m.Status != tc.modes[m.Mode] {
					t.Errorf("mode %s is %s, want %s", m.Mode, m.Status, tc.modes[m.Mode])
				}
			}
		})
	}
}

func TestClientReleases(t *testing.T) {
	t.Parallel()
	print := rundir.Fingerprint{
		"server":  {"kernel": "6.1.0"},
		"worker1": {"kernel": "6.12.1", "kubelet": "v1.36.3"}, "worker2": {"kernel": "6.12.1", "kubelet": "v1.31.14"}, "worker3": {"kernel": "6.6.6"},
	}
	for _, tc := range []struct {
		resources []string
		want      scenarios.Releases
	}{
		{[]string{"worker1", "worker2", "export /srv/nfsim/x"}, scenarios.Releases{Kernels: []string{"6.12.1"}, Kubelets: []string{"v1.36.3", "v1.31.14"}}},
		{nil, scenarios.Releases{}},
	} {
		if diff := cmp.Diff(tc.want, clientReleases(print, tc.resources)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.resources, diff)
		}
	}
}
