package outcome

// Worst returns the worst outcome of each group. Of two with the same word it
// keeps the one with the larger figure, and of two without figures the first.
// Outcomes with unknown words are left out; nothing else is lost by calling
// it, because callers keep the full list as evidence.
func Worst(outcomes []Outcome) map[Group]Outcome {
	worst := make(map[Group]Outcome)
	for _, o := range outcomes {
		if !o.Word.Known() {
			continue
		}
		g := o.Word.Group()
		have, ok := worst[g]
		if !ok || o.Word.WorseThan(have.Word) || o.Word == have.Word && o.Figure.exceeds(have.Figure) {
			worst[g] = o
		}
	}
	return worst
}
