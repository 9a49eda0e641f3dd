package report

import (
	"errors"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// synthetic makes a run directory by hand. Its figures are invented: it shows
// what reports look like, never what a release does.
func synthetic(t testing.TB) *rundir.Run {
	t.Helper()
	started := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	profiles := []string{"default", "v3", "noac", "actimeo=1", "soft"}
	meta := rundir.RunMeta{
		ID: "synthetic-1", Started: started, Ended: started.Add(4 * time.Minute), NfsimVersion: "v0.0.0-synthetic",
		Command: []string{"nfsim", "run", "--seed", "7"}, Seed: 7, LeaseS: 15, GraceS: 15,
		Lab: rundir.LabMeta{Provider: "synthetic", Name: "none"},
	}
	plan := func(scenario string, repeats int, profiles ...string) {
		b := rundir.Batch{Name: scenario}
		for _, p := range profiles {
			for i := range repeats {
				b.Cells = append(b.Cells, rundir.Cell{Scenario: scenario, Profile: p, Repeat: i + 1})
			}
		}
		meta.Batches = append(meta.Batches, b)
	}
	plan("control.control-synthetic", 1, "default")
	plan("nfs.close-to-open", 2, profiles...)
	plan("kubelet.force-delete-while-down", 1, profiles...)
	plan("drain.synthetic", 1, "fixed-a", "fixed-b")

	run, err := rundir.Create(t.TempDir(), meta)
	check(t, err)
	check(t, run.WriteFingerprint(rundir.Fingerprint{
		"server":  {"kernel": "0.0.1-synthetic", "nfs-utils": "0.2"},
		"worker1": {"kernel": "0.0.1-synthetic", "kubelet": "v0.36.3"},
		"worker2": {"kernel": "0.0.1-synthetic", "kubelet": "v0.36.3"},
	}))

	control := rundir.Verdict{Status: rundir.StatusCaught, Outcomes: []outcome.Outcome{
		outcome.New(outcome.Corrupt, "record 3 of the log is GARBAGE").From("disk").In("history.jsonl")}}
	record(t, run, "control.control-synthetic", "default", 1, nil, control)

	for i, p := range profiles {
		for repeat := 1; repeat <= 2; repeat++ {
			v := rundir.Verdict{
				Status: rundir.StatusExpected, Expected: []string{"CLOSE_TO_OPEN", "BOUNDED_STALE(<= 2000 ms)", "DURABLE"},
				Why: "open revalidates", Source: "nfs(5)",
				Outcomes: []outcome.Outcome{outcome.New(outcome.CloseToOpen, "1000 operations checked"), outcome.New(outcome.Durable, "all there")},
			}
			if i < 2 {
				v.Figures = []rundir.Measure{{Name: "from here to there", Figure: outcome.Seconds(float64(repeat+i), 0.01)}}
			}
			if i == 0 && repeat == 2 {
				v.Figures = append(v.Figures, rundir.Measure{Name: "and back", Figure: outcome.Millis(3, 0.01)})
			}
			if i == 3 {
				v.Outcomes[0] = outcome.New(outcome.BoundedStale, "stale").WithFigure(outcome.Millis(1000+float64(repeat)*100, 0.2))
			}
			if i == 1 && repeat == 2 {
				v.Status = rundir.StatusNew
				v.Outcomes = append(v.Outcomes, outcome.New(outcome.BoundedStale, "b read \"t7\" | 2.9s after `it` was replaced").
					WithFigure(outcome.Summarize("ms", []float64{1, 1450, 2900}, 0.25)).From("client2").In("history.jsonl"))
				v.Outcomes = append(v.Outcomes, outcome.New(outcome.Linearizable, "a better word that is not expected either"))
				v.Notes = []string{"not expected: BOUNDED_STALE(2900 ms)", "a note with \x1b[31mcolour"}
			}
			record(t, run, "nfs.close-to-open", p, repeat, nil, v)
		}
	}
	for i, p := range profiles {
		v := rundir.Verdict{
			Status: rundir.StatusExpected, Expected: []string{"ZOMBIE_WRITER", "PODDIR_LEFT", "UNMOUNTED_UNDER_POD"},
			Outcomes: []outcome.Outcome{
				outcome.New(outcome.ZombieWriter, "").WithFigure(outcome.Seconds(12.3, 0.01)),
				outcome.New(outcome.UnmountedUnderPod, ""), outcome.New(outcome.PodDirLeft, ""),
			},
		}
		switch i {
		case 2:
			record(t, run, "kubelet.force-delete-while-down", p, 1, errors.New("worker2: connection lost"), rundir.Verdict{
				Status: rundir.StatusInfra, Outcomes: []outcome.Outcome{outcome.New(outcome.InfraError, "worker2: connection lost").In("trial.json")}})
			continue
		case 3:
			v = rundir.Verdict{Status: rundir.StatusNotApplicable, Outcomes: []outcome.Outcome{outcome.New(outcome.NotApplicable, "")}}
		case 4:
			continue // planned, and never run
		}
		record(t, run, "kubelet.force-delete-while-down", p, 1, nil, v)
	}
	record(t, run, "drain.synthetic", "fixed-a", 1, nil, rundir.Verdict{
		Status: rundir.StatusNew, Outcomes: []outcome.Outcome{outcome.New(outcome.Hung, "no answer in 20 s")}})
	tw, err := run.NewTrial(rundir.TrialMeta{Scenario: "drain.synthetic", Profile: "fixed-b", Repeat: 1})
	check(t, err)
	check(t, tw.Sync()) // cut short: never finished
	_, err = run.WriteIndex()
	check(t, err)
	return run
}

func record(t testing.TB, run *rundir.Run, scenario, profile string, repeat int, cause error, v rundir.Verdict) {
	t.Helper()
	tw, err := run.NewTrial(rundir.TrialMeta{Scenario: scenario, Profile: profile, Repeat: repeat, ClockErrNS: 210_000})
	check(t, err)
	check(t, tw.Finish(cause))
	v.Scenario, v.Profile, v.Repeat, v.Took = scenario, profile, repeat, 12.5
	check(t, run.WriteVerdict(v))
	if v.Status == rundir.StatusNew {
		check(t, run.WriteScript(v.Cell(), "#!/bin/sh\n"))
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
