package consistency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
)

// model is one consistency model.
type model struct {
	name  string
	doc   string
	check func(ctx context.Context, v *view, t *tally, opts Options) // one file
}

func models() []model {
	return []model{
		{CloseToOpen, "every open sees the last close that returned before it, or something newer", checkCloseToOpen},
		{BoundedStale, "how long after a version was replaced on the server it was still read", checkStaleness},
		{MonotonicReads, "a reader never sees an older version after a newer one", checkMonotonicReads},
		{ReadYourWrites, "a reader never sees a version older than its own last write", checkReadYourWrites},
		{Untorn, "every read, and the disk, shows one whole version that somebody wrote", checkUntorn},
		{Durable, "every acknowledged version is on the server's disk at the end, or a later one is", checkDurable},
		{AppendLog, "every acknowledged record is in the log at the end, once and whole", checkAppendLog},
		{Exclusion, "no two clients hold an exclusive lock at one time", checkExclusion},
		{Linearizable, "every operation takes effect at one moment between its call and its return", checkLinearizable},
	}
}

// Models returns the names of all models, in the order of results.
func Models() []string {
	var names []string
	for _, m := range models() {
		names = append(names, m.name)
	}
	return names
}

// Doc returns the one line that explains a model, "" for an unknown name.
func Doc(name string) string {
	for _, m := range models() {
		if m.name == name {
			return m.doc
		}
	}
	return ""
}

// Options are what a check may be told. The zero value checks every model.
type Options struct {
	Models       []string      // names of the models to check; empty: all
	Bound        time.Duration // bounded staleness is violated beyond it; 0: only measured
	Linearizable time.Duration // time limit of the search per file; 0: 10 s
}

// Check checks the models that opts names against the history, in the order of
// the list of models. It never fails: what cannot be decided, be it for a
// checker that broke or a context that ended, is Unknown, and so is a name
// that is no model. It takes n log n time in the operations for all models but
// Linearizable, which has a time limit. The operations are not changed.
func Check(ctx context.Context, ops []history.Op, opts Options) []Result {
	return check(ctx, models(), ops, opts)
}

func check(ctx context.Context, all []model, ops []history.Op, opts Options) []Result {
	var chosen []model
	for _, m := range all {
		if len(opts.Models) == 0 || slices.Contains(opts.Models, m.name) {
			chosen = append(chosen, m)
		}
	}
	tallies := make([]tally, len(chosen))
	names, files := split(ops)
	for _, name := range names {
		v, err := safeView(name, files[name])
		delete(files, name)
		for i, m := range chosen {
			switch {
			case err != nil:
				tallies[i].undecided("%v", err)
			case ctx.Err() != nil:
				tallies[i].undecided("stopped before file %q: %v", name, ctx.Err())
			default:
				safeCheck(ctx, m, v, &tallies[i], opts)
			}
		}
	}
	var results []Result
	for i, m := range chosen {
		results = append(results, tallies[i].result(m.name))
	}
	for _, name := range opts.Models {
		if !slices.ContainsFunc(all, func(m model) bool { return m.name == name }) {
			results = append(results, Result{Model: name, Verdict: Unknown, Words: "no such model"})
		}
	}
	return results
}

func safeView(name string, ops []*history.Op) (v *view, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("prepare file %q: checker broke: %v", name, p)
		}
	}()
	v = newView(name, ops)
	if v.twice != "" {
		return nil, errors.New("token " + v.twice + " was written twice to file " + name)
	}
	return v, nil
}

// safeCheck runs a model on a file. A checker that panics has decided nothing:
// what it counted on this file is dropped.
func safeCheck(ctx context.Context, m model, v *view, t *tally, opts Options) {
	saved := *t
	defer func() {
		if p := recover(); p != nil {
			*t = saved
			t.undecided("file %q: checker broke: %v", v.name, p)
		}
	}()
	m.check(ctx, v, t, opts)
}
