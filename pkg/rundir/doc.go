// Package rundir is the run directory on disk: the seam between recording and
// judging. The recorder writes it, and everything else reads only it.
//
//	run, err := rundir.Create("runs", rundir.RunMeta{Seed: 7})
//	tw, err := run.NewTrial(rundir.TrialMeta{Scenario: "nfs.close-to-open", Profile: "noac", Repeat: 1})
//	err = tw.History().Add(op)
//	err = tw.Finish(nil)
//
//	run, err := rundir.Open("latest")
//	trials, err := run.Trials()
//
// What it reads is untrusted: files are opened inside the run directory only
// (a symbolic link cannot lead out), must be regular, and have a largest size.
// docs/run-directory.md explains it file by file.
package rundir
