package consistency

import (
	"math/rand/v2"
	"testing"

	"github.com/nfsim/nfsim/pkg/history"
)

// TestPorcupineAgreesWithSinglePasses checks what the models have to do with
// each other, with porcupine as the second opinion: a history that porcupine
// finds linearizable obeys every weaker model, so that what a single pass calls
// violated porcupine may not call linearizable. Reads of one lane in time order
// make sessions of it.
func TestPorcupineAgreesWithSinglePasses(t *testing.T) {
	t.Parallel()
	weaker := []string{CloseToOpen, MonotonicReads, ReadYourWrites}
	var linearizable int
	violated := map[string]int{}
	for seed := range uint64(6000) {
		rng := rand.New(rand.NewPCG(seed, 8))
		ops := simulate(seed, 30, 1, false)
		spoil(rng, ops)
		_, files := split(ops)
		agrees := false
		for _, list := range files {
			agrees = search(newView("file0", list))
		}
		if agrees {
			linearizable++
		}
		for _, r := range Check(t.Context(), ops, Options{Models: weaker}) {
			if r.Verdict == Violated {
				violated[r.Model]++
			}
			if r.Verdict == Violated && agrees {
				t.Fatalf("seed %d: %s is violated (%s), and porcupine says linearizable\n%s", seed, r.Model, r.Words, dump(ops))
			}
		}
	}
	if linearizable < 500 {
		t.Errorf("thin test: %d linearizable", linearizable)
	}
	for _, model := range weaker {
		if violated[model] < 100 {
			t.Errorf("thin test: %s violated %d times", model, violated[model])
		}
	}
}

// spoil makes none, one or two reads return another version of the file.
func spoil(rng *rand.Rand, ops []history.Op) {
	var reads []int
	var tokens []string
	for i := range ops {
		switch ops[i].Func {
		case history.Read:
			reads = append(reads, i)
		case history.Write:
			tokens = append(tokens, ops[i].Value)
		}
	}
	if len(reads) == 0 || len(tokens) == 0 {
		return
	}
	for range rng.IntN(3) {
		op := &ops[reads[rng.IntN(len(reads))]]
		op.Kind, op.Value = history.KindToken, tokens[rng.IntN(len(tokens))]
	}
}
