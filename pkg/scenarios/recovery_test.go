package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// TestRecoveryIsPartOfTheOutcome checks that what a trial did not end by itself
// is in its verdict, with what it took; a ledger that is clean after it does not
// hide it.
func TestRecoveryIsPartOfTheOutcome(t *testing.T) {
	t.Parallel()
	down := func() *podTrial {
		return newPodTrial().fault(faultKubeletStop, 2000, 6000).fact(factDeleteInvoke, at(3500)).fact(factDeleteReturn, at(3600)).
			appends(podAppends, logFile, 100, 8000).ended("x", 9000, 8100, 8300, 8400)
	}
	for _, tc := range []struct {
		name string
		e    *podTrial
		want string
		say  string
	}{
		{"nothing", down(), "DURABLE EXCLUSIVE CLEAN", "the ledger after the trial is the one before it"},
		{
			"a forced unmount", down().fact(unmountFact+"worker1, inline", "umount -f"), "DURABLE EXCLUSIVE MOUNT_LEFT",
			"the mount on worker1, inline was busy or dead: it took umount -f",
		},
		{
			"a force delete", down().fact(recoveryFact+tookForceDelete+" x-1-1", "still in the API 125.00 s after its deletion"), "DURABLE EXCLUSIVE TERMINATING_STUCK",
			"at the trial's end it took a force delete of pod x-1-1: still in the API 125.00 s after its deletion",
		},
		{
			"a reset", down().fact(recoveryFact+tookReset+" worker1", "still mounted").fault(faultRecovery, 100_000, 160_000), "DURABLE EXCLUSIVE MOUNT_LEFT",
			"at the trial's end it took a reset of worker1: still mounted; it was back 60.00 s after",
		},
		{
			"a reset that could not be", down().fact(recoveryFact+tookNothing+" worker1", "still mounted"), "DURABLE EXCLUSIVE MOUNT_LEFT",
			"at the trial's end nothing but a reset would have brought back worker1: still mounted",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for i := range tc.e.e.Faults {
				if f := &tc.e.e.Faults[i]; f.Name == faultRecovery {
					f.Machine, f.ProvenAt = "worker1", f.HealedAt
				}
			}
			j := judgeDeleteWhileDown(tc.e.e)
			if diff := cmp.Diff(tc.want, verdictOf(j)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := j.Outcomes[len(j.Outcomes)-1].Evidence; got != tc.say {
				t.Errorf("it says %q, want %q", got, tc.say)
			}
		})
	}
}

// TestMountLeft checks what becomes of a mount that is in the way at the end of a
// trial: a mount that nothing removes is a machine to reset, and no error of the
// infrastructure, which would have the trial done once more.
func TestMountLeft(t *testing.T) {
	t.Parallel()
	still := &nfs.StillMountedError{Node: "worker1"}
	broken := errors.New("connection lost")
	for _, tc := range []struct {
		name   string
		report nfs.UnmountReport
		err    error
		fact   any
		wedged bool
	}{
		{"not mounted", nfs.UnmountReport{How: nfs.NotMounted}, nil, nil, false},
		{"plain", nfs.UnmountReport{How: nfs.Normal}, nil, "umount", false},
		{"lazy", nfs.UnmountReport{How: nfs.Lazy}, nil, "umount -l", false},
		{"nothing helps", nfs.UnmountReport{}, fmt.Errorf("unmount: %w", still), moreThanLazy, true},
		{"nobody can tell", nfs.UnmountReport{}, broken, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
			if err != nil {
				t.Fatal(err)
			}
			trial, err := run.NewTrial(rundir.TrialMeta{Scenario: "kubelet.x", Profile: "p", Repeat: 1})
			if err != nil {
				t.Fatal(err)
			}
			worker := lab.Machine{Name: "worker1"}
			c := &Cell{Trial: trial}
			// The lab has no power over its machines.
			b := &Batch{Lab: oneServer{}, Target: worker, Cells: []*Cell{c}}
			err = b.mountLeft(c, worker, "", tc.report, tc.err)
			if want := errors.Is(tc.err, broken); errors.Is(err, broken) != want || !want && err != nil {
				t.Errorf("error %v", err)
			}
			if err := b.unwedge(context.Background()); err != nil {
				t.Error(err)
			}
			var fact, nothing any
			trial.Update(func(m *rundir.TrialMeta) {
				fact, nothing = m.Facts[unmountFact+"worker1"], m.Facts[recoveryFact+tookNothing+" worker1"]
			})
			if fact != tc.fact || b.Wedged() != tc.wedged || (nothing != nil) != tc.wedged {
				t.Errorf("fact %v, wedged %v (%v); want %v, %v", fact, b.Wedged(), nothing, tc.fact, tc.wedged)
			}
		})
	}
}

func TestStillMountedAlone(t *testing.T) {
	t.Parallel()
	still, other := &nfs.StillMountedError{Node: "worker1"}, errors.New("other")
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{still, true},
		{errors.Join(still, fmt.Errorf("unmount: %w", still)), true},
		{errors.Join(still, other), false},
		{other, false},
	} {
		if got := stillMountedAlone(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}
