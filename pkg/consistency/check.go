// Package consistency decides which consistency models a recorded history
// obeys, and shows the operations that prove it when it does not.
//
//	results := consistency.Check(ctx, ops, consistency.Options{})
//	for _, r := range results { fmt.Println(r.Model, r.Verdict, r.Words) }
package consistency

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/history"
)

// Options are what a check may be told. The zero value checks every model.
type Options struct {
	Models       []string      // names of the models to check; empty: all
	Bound        time.Duration // bounded staleness is violated beyond it; 0: only measured
	Linearizable time.Duration // time limit of the search per file; 0: 10 s
}

// Check checks the models that opts names against the history, in the order of
// the list of models. It never fails: what cannot be decided is Unknown.
func Check(ctx context.Context, ops []history.Op, opts Options) []Result {
	return nil
}
