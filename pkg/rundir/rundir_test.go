package rundir_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB) (root string, run *rundir.Run) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "runs")
	run, err := rundir.Create(root, rundir.RunMeta{Seed: 7, Lab: rundir.LabMeta{Provider: "fake", Name: "l"}, LeaseS: 15})
	must(t, err)
	return root, run
}

var cell = rundir.TrialMeta{Scenario: "nfs.close-to-open", Profile: "actimeo=1", Repeat: 1, Asked: "vers=4.2,actimeo=1"}

func TestRecordAndReadBack(t *testing.T) {
	t.Parallel()
	root, run := create(t)
	must(t, run.WriteFingerprint(rundir.Fingerprint{"worker1": {"kernel": "6.12"}}))
	log, err := run.Log()
	must(t, err)
	_, err = io.WriteString(log, "hello\n")
	must(t, errors.Join(err, log.Close()))

	tw, err := run.NewTrial(cell)
	must(t, err)
	op := history.Op{Client: "worker1", Func: history.Write, File: "f", Value: "t", Invoke: 1, Return: 2, Result: history.OK}
	fault := rundir.FaultRecord{Name: "kubelet-stop", Machine: "worker1", Undo: "systemctl start kubelet", InjectedAt: 5, ProvenAt: 6, HealedAt: 9, Proof: "inactive", Proven: true}
	seen := rundir.Observation{T: 7, Source: "disk", Event: "record-arrived", Subject: "f", Value: "t"}
	before, after := rundir.Ledger{"pods": {"a"}}, rundir.Ledger{"pods": {"a", "b"}}
	must(t, tw.History().Add(op))
	must(t, tw.Fault(fault))
	must(t, tw.Observe(seen))
	must(t, tw.LedgerBefore(before))
	must(t, tw.LedgerAfter(after))
	w, err := tw.Log("../journal worker1.txt")
	must(t, err)
	must(t, w.Close())
	tw.SetFact("pid", 42)
	tw.SetFact("never", nan())
	tw.Update(func(m *rundir.TrialMeta) { m.Granted = map[string]string{"vers": "4.2"} })
	must(t, tw.Finish(nil))
	must(t, tw.Finish(errors.New("a second call does nothing")))
	must(t, run.Finish())

	for _, name := range []string{filepath.Join(root, "latest"), run.Dir()} {
		again, err := rundir.Open(name)
		must(t, err)
		if again.Meta().Seed != 7 || again.Meta().Ended.IsZero() {
			t.Errorf("%s: meta is %+v", name, again.Meta())
		}
	}
	again, err := rundir.OpenIn(root, rundir.Latest)
	must(t, err)
	if _, err := rundir.OpenIn(root, run.Meta().ID); err != nil {
		t.Error(err)
	}
	print, err := again.Fingerprint()
	must(t, err)
	if print["worker1"]["kernel"] != "6.12" {
		t.Errorf("fingerprint is %v", print)
	}

	trials, err := again.Trials()
	must(t, err)
	if len(trials) != 1 || trials[0].Incomplete() {
		t.Fatalf("got %d trials, %+v", len(trials), trials)
	}
	trial := trials[0]
	if trial.Rel != "cells/nfs.close-to-open/actimeo=1/1" {
		t.Errorf("place is %q", trial.Rel)
	}
	wantFacts := map[string]any{"pid": float64(42), "never": "NaN"}
	if diff := cmp.Diff(wantFacts, trial.Meta.Facts); diff != "" {
		t.Errorf("facts (-want +got)\n%s", diff)
	}
	if trial.Meta.Granted["vers"] != "4.2" || trial.Meta.Asked != cell.Asked || trial.Meta.Ended.IsZero() {
		t.Errorf("meta is %+v", trial.Meta)
	}
	ops, rep, err := trial.History()
	must(t, err)
	if diff := cmp.Diff([]history.Op{op}, ops); diff != "" || rep.CutShort {
		t.Errorf("history (-want +got)\n%s", diff)
	}
	faults, err := trial.Faults()
	must(t, err)
	if diff := cmp.Diff([]rundir.FaultRecord{fault}, faults); diff != "" {
		t.Errorf("faults (-want +got)\n%s", diff)
	}
	observations, err := trial.Observations()
	must(t, err)
	if diff := cmp.Diff([]rundir.Observation{seen}, observations); diff != "" {
		t.Errorf("observations (-want +got)\n%s", diff)
	}
	b, err := trial.LedgerBefore()
	must(t, err)
	a, err := trial.LedgerAfter()
	must(t, err)
	if diff := cmp.Diff([]rundir.Change{{Category: "pods", Added: []string{"b"}}}, rundir.Diff(b, a)); diff != "" {
		t.Errorf("change (-want +got)\n%s", diff)
	}
	logs, err := trial.Logs()
	must(t, err)
	if diff := cmp.Diff([]string{"logs/%2E.%2Fjournal%20worker1.txt"}, logs); diff != "" {
		t.Errorf("logs (-want +got)\n%s", diff)
	}
}

func nan() float64 {
	var zero float64
	return zero / zero
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	_, run := create(t)
	for _, repeat := range []int{2, 10, 1} {
		meta := cell
		meta.Repeat = repeat
		tw, err := run.NewTrial(meta)
		must(t, err)
		must(t, tw.Finish(nil))
		must(t, run.WriteVerdict(rundir.Verdict{Scenario: meta.Scenario, Profile: meta.Profile, Repeat: repeat, Status: rundir.StatusExpected,
			Outcomes: []outcome.Outcome{outcome.New(outcome.BoundedStale, "x").WithFigure(outcome.Millis(1.5, 0.1))},
			Models:   []rundir.ModelResult{{Model: "close-to-open", Verdict: "violated", Witness: []history.Op{{Client: "a"}}}}}))
	}
	if err := run.WriteVerdict(rundir.Verdict{Scenario: "nfs.other", Profile: "v3", Repeat: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("verdict without a trial: %v", err)
	}
	if index, err := run.Index(); err != nil || len(index.Verdicts) != 0 {
		t.Errorf("index before it is written: %v, %v", index, err)
	}
	written, err := run.WriteIndex()
	must(t, err)
	read, err := run.Index()
	must(t, err)
	if diff := cmp.Diff(written, read); diff != "" {
		t.Errorf("(-written +read)\n%s", diff)
	}
	var repeats []int
	for _, v := range read.Verdicts {
		repeats = append(repeats, v.Repeat)
	}
	if diff := cmp.Diff([]int{1, 2, 10}, repeats); diff != "" {
		t.Errorf("order (-want +got)\n%s", diff)
	}
}

func TestTrialIsRecordedOnce(t *testing.T) {
	t.Parallel()
	_, run := create(t)
	cut, err := run.NewTrial(cell)
	must(t, err)
	must(t, cut.Sync())

	spoilt, err := run.NewTrial(cell) // the first was cut short
	must(t, err)
	must(t, spoilt.Finish(errors.New("worker1: connection lost")))

	tw, err := run.NewTrial(cell) // the second was spoilt
	must(t, err)
	must(t, tw.Finish(nil))

	var exists *rundir.TrialExistsError
	if _, err := run.NewTrial(cell); !errors.As(err, &exists) {
		t.Errorf("a finished trial is overwritten: %v", err)
	}
	trials, err := run.Trials()
	must(t, err)
	if len(trials) != 1 || trials[0].Meta.Retries != 2 || trials[0].Meta.Error != "" {
		t.Errorf("got %d trials: %+v", len(trials), trials[0].Meta)
	}
	for _, n := range []string{".spoilt-1", ".spoilt-2"} {
		if _, err := os.Stat(filepath.Join(trials[0].Dir+n, "trial.json")); err != nil {
			t.Errorf("evidence is gone: %v", err)
		}
	}
}

func TestIncompleteTrial(t *testing.T) {
	t.Parallel()
	_, run := create(t)
	_, err := run.NewTrial(cell) // and nfsim is killed
	must(t, err)
	trials, err := run.Trials()
	must(t, err)
	if len(trials) != 1 || !trials[0].Incomplete() || trials[0].Err != nil {
		t.Errorf("got %+v", trials[0])
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	root, run := create(t)
	dir := run.Dir()
	empty := t.TempDir()
	file := filepath.Join(empty, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	other := func(schema string) string {
		d := t.TempDir()
		must(t, os.WriteFile(filepath.Join(d, "run.json"), []byte(schema), 0o600))
		return d
	}
	link := filepath.Join(empty, "link")
	must(t, os.Mkdir(link, 0o755))
	must(t, os.Symlink(filepath.Join(dir, "run.json"), filepath.Join(link, "run.json")))
	var (
		notRun *rundir.NotRunError
		schema *rundir.SchemaError
	)
	tests := []struct {
		name, path string
		as         any
		want       string
	}{
		{"missing", filepath.Join(root, "none"), &notRun, "no such directory"},
		{"missing ID", "20010101-000000-aaaa", &notRun, "no such directory"},
		{"empty name", "", &notRun, "no name"},
		{"not a run", empty, &notRun, "no run.json"},
		{"a file", file, &notRun, "not a directory"},
		{"newer schema", other(`{"schema":2,"lab":"of another type"}`), &schema, "newer nfsim"},
		{"older schema", other(`{"schema":0}`), &schema, "the nfsim that recorded it"},
		{"no JSON", other(`{"schema":`), nil, "is damaged"},
		{"link that leads out", link, nil, "run.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := rundir.OpenIn(root, tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("%T is of another class", err)
			}
		})
	}
}

func TestCreateErrors(t *testing.T) {
	t.Parallel()
	root, run := create(t)
	for _, id := range []string{run.Meta().ID, "latest", "../up", "a/b", ".hidden"} {
		if _, err := rundir.Create(root, rundir.RunMeta{ID: id}); err == nil {
			t.Errorf("no error for ID %q", id)
		}
	}
	second, err := rundir.Create(root, rundir.RunMeta{ID: "second"})
	must(t, err)
	latest, err := rundir.OpenIn(root, "latest")
	must(t, err)
	if latest.Meta().ID != second.Meta().ID {
		t.Errorf("latest is %s", latest.Meta().ID)
	}
	for _, bad := range []rundir.TrialMeta{
		{Profile: "p", Repeat: 1}, {Scenario: "s", Repeat: 1}, {Scenario: "s", Profile: "p"},
		{Scenario: strings.Repeat("s", 300), Profile: "p", Repeat: 1},
	} {
		if _, err := run.NewTrial(bad); err == nil {
			t.Errorf("no error for %+v", bad.Cell())
		}
	}
}

func TestUntrustedTrials(t *testing.T) {
	t.Parallel()
	_, run := create(t)
	tw, err := run.NewTrial(cell)
	must(t, err)
	must(t, tw.Finish(nil))
	good := filepath.Dir(tw.Dir())
	write := func(dir, file, text string) {
		must(t, os.MkdirAll(filepath.Join(good, dir), 0o755))
		must(t, os.WriteFile(filepath.Join(good, dir, file), []byte(text), 0o600))
	}
	write("2", "trial.json", "nonsense")
	write("3", "trial.json", `{"schema":1,"scenario":"nfs.other","profile":"actimeo=1","repeat":3,"finished":true}`)
	write("4", "trial.json", `{"schema":9,"scenario":"nfs.close-to-open","profile":"actimeo=1","repeat":4,"finished":true}`)
	write("05", "trial.json", "{}")
	write("x", "trial.json", "{}")
	write("%zz", "trial.json", "{}")
	must(t, os.Symlink("1", filepath.Join(good, "7")))
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte(`{"pods":["secret"]}`), 0o600))
	must(t, os.Symlink(secret, filepath.Join(tw.Dir(), "ledger-before.json")))
	must(t, os.Remove(filepath.Join(tw.Dir(), "history.jsonl")))
	must(t, os.Mkdir(filepath.Join(tw.Dir(), "history.jsonl"), 0o755))

	trials, err := run.Trials()
	must(t, err)
	var got []int
	for _, tr := range trials {
		got = append(got, tr.Meta.Repeat)
		if tr.Incomplete() != (tr.Meta.Repeat != 1) {
			t.Errorf("repeat %d: incomplete is %t: %v", tr.Meta.Repeat, tr.Incomplete(), tr.Err)
		}
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if l, err := trials[0].LedgerBefore(); err == nil {
		t.Errorf("a link led out of the run directory: %v", l)
	}
	if _, _, err := trials[0].History(); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a directory is a history: %v", err)
	}
}

func TestWriterIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	_, run := create(t)
	tw, err := run.NewTrial(cell)
	must(t, err)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				err := errors.Join(
					tw.Observe(rundir.Observation{T: int64(i)}),
					tw.Fault(rundir.FaultRecord{Name: "x"}),
					tw.History().Add(history.Op{Client: "c", Seq: int64(g)}))
				tw.SetFact("n", i)
				if i%25 == 0 {
					err = errors.Join(err, tw.Sync(), run.Update(func(m *rundir.RunMeta) { m.GraceS++ }))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, tw.Finish(nil))
	trials, err := run.Trials()
	must(t, err)
	seen, err := trials[0].Observations()
	must(t, err)
	if len(seen) != 400 || run.Meta().GraceS != 16 {
		t.Errorf("%d observations, grace %g", len(seen), run.Meta().GraceS)
	}
}

func TestSafeName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, want string }{
		{"default", "default"},
		{"actimeo=1", "actimeo=1"},
		{"kubelet.kubelet-restart", "kubelet.kubelet-restart"},
		{".", "%2E"},
		{"..", "%2E."},
		{"a/b", "a%2Fb"},
		{"a b%", "a%20b%25"},
		{"ü", "%C3%BC"},
	}
	for _, tt := range tests {
		got, err := rundir.SafeName(tt.name)
		must(t, err)
		back, err := rundir.NameOf(got)
		must(t, err)
		if got != tt.want || back != tt.name {
			t.Errorf("%q became %q and then %q, want %q", tt.name, got, back, tt.want)
		}
	}
	for _, dir := range []string{"", ".", "..", "a/b", "%2e", "%41", "%", "%2", "%zz", "%+1", "% 1"} {
		if name, err := rundir.NameOf(dir); err == nil {
			t.Errorf("%q is no directory name of ours, and is read as %q", dir, name)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	before := rundir.Ledger{"mounts.host": {"a", "a", "b"}, "pods": {"x"}, "gone": {"y"}}
	after := rundir.Ledger{"mounts.host": {"b", "a", "c"}, "pods": {"x"}, "new": {"z"}}
	want := []rundir.Change{
		{Category: "gone", Removed: []string{"y"}},
		{Category: "mounts.host", Added: []string{"c"}, Removed: []string{"a"}},
		{Category: "new", Added: []string{"z"}},
	}
	if diff := cmp.Diff(want, rundir.Diff(before, after)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if changes := rundir.Diff(before, before); changes != nil {
		t.Errorf("nothing changed: %v", changes)
	}
}

func FuzzSafeName(f *testing.F) {
	f.Add("actimeo=1")
	f.Add("../%2F\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if safe, err := rundir.SafeName(s); err == nil {
			if strings.ContainsAny(safe, "/\x00") || safe[0] == '.' {
				t.Errorf("%q became %q", s, safe)
			}
			if back, err := rundir.NameOf(safe); err != nil || back != s {
				t.Errorf("%q became %q and then %q: %v", s, safe, back, err)
			}
		}
		if name, err := rundir.NameOf(s); err == nil {
			if again, err := rundir.SafeName(name); err != nil || again != s {
				t.Errorf("%q reads as %q, which is written %q: %v", s, name, again, err)
			}
		}
	})
}

// FuzzOpen reads a run directory of which every file is what the fuzzer says.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"schema":1,"id":"x","batches":[{"name":"b","cells":[{"scenario":"s","profile":"p","repeat":1}]}]}`),
		[]byte(`{"schema":1,"scenario":"s","profile":"p","repeat":1,"finished":true,"facts":{"a":1}}`),
		[]byte(`{"t":1}`+"\n"+`{"t":2`), []byte(`{"pods":["a"]}`), []byte(`{"schema":1,"scenario":"s","profile":"p","repeat":1,"status":"NEW"}`))
	f.Fuzz(func(t *testing.T, runJSON, trialJSON, lines, ledger, verdict []byte) {
		dir := t.TempDir()
		trial := filepath.Join(dir, "cells", "s", "p", "1")
		must(t, os.MkdirAll(trial, 0o755))
		for path, data := range map[string][]byte{
			filepath.Join(dir, "run.json"): runJSON, filepath.Join(dir, "index.json"): verdict, filepath.Join(dir, "fingerprint.json"): ledger,
			filepath.Join(trial, "trial.json"): trialJSON, filepath.Join(trial, "history.jsonl"): lines,
			filepath.Join(trial, "faults.jsonl"): lines, filepath.Join(trial, "observations.jsonl"): lines,
			filepath.Join(trial, "ledger-before.json"): ledger, filepath.Join(trial, "ledger-after.json"): ledger,
			filepath.Join(trial, "verdict.json"): verdict,
		} {
			must(t, os.WriteFile(path, data, 0o600))
		}
		run, err := rundir.Open(dir)
		if err != nil {
			return
		}
		_, _ = run.Fingerprint()
		_, _ = run.Index()
		_, _ = run.Verdicts()
		trials, err := run.Trials()
		must(t, err)
		for _, tr := range trials {
			_, _, _ = tr.History()
			_, _ = tr.Faults()
			_, _ = tr.Observations()
			before, _ := tr.LedgerBefore()
			after, _ := tr.LedgerAfter()
			rundir.Diff(before, after)
		}
		if _, err := json.Marshal(run.Meta()); err != nil {
			t.Errorf("meta data that were read cannot be written: %v", err)
		}
	})
}

func TestRunOutlivesItsWriter(t *testing.T) {
	t.Parallel()
	_, run := create(t)
	if got := run.Meta(); !got.Ended.IsZero() || got.Started.After(time.Now()) {
		t.Errorf("a run that goes on has ended: %+v", got)
	}
	data, err := os.ReadFile(filepath.Join(run.Dir(), "run.json"))
	must(t, err)
	if strings.Contains(string(data), "ended") {
		t.Errorf("run.json says that it ended:\n%s", data)
	}
}
