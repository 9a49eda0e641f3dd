package consistency

import "github.com/nfsim/nfsim/pkg/outcome"

// Outcome returns the word of the consistency group that results amount to:
// the strongest model that holds, or the damage that was found. A trial that
// measures staleness on purpose leaves CloseToOpen and Linearizable out of its
// models. ok is false when nothing was decided.
func Outcome(results []Result) (o outcome.Outcome, ok bool) {
	by := make(map[string]Result, len(results))
	for _, r := range results {
		by[r.Model] = r
	}
	say := func(w outcome.Word, r Result) (outcome.Outcome, bool) {
		o := outcome.Outcome{Word: w, Evidence: r.Words, Files: []string{"history.jsonl"}}
		if w.Unit() != "" {
			o.Figure = r.Figure
		}
		return o, true
	}
	stale := by[BoundedStale]
	switch {
	case by[AppendLog].Verdict == Violated:
		return say(outcome.LostUpdate, by[AppendLog])
	case by[Untorn].Verdict == Violated:
		return say(outcome.Torn, by[Untorn])
	case by[Linearizable].Verdict == Holds:
		return say(outcome.Linearizable, by[Linearizable])
	case by[CloseToOpen].Verdict == Holds:
		return say(outcome.CloseToOpen, by[CloseToOpen])
	case stale.Figure != nil && (stale.Figure.More || stale.Verdict == Violated):
		o, ok := say(outcome.UnboundedStale, stale)
		o.Evidence = "stale for " + stale.Figure.Detail()
		return o, ok
	case stale.Figure != nil:
		o, ok := say(outcome.BoundedStale, stale)
		o.Evidence = "stale for " + stale.Figure.Detail()
		return o, ok
	default:
		return outcome.Outcome{}, false
	}
}
