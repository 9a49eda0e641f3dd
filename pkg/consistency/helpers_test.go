package consistency

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/nfsim/nfsim/pkg/history"
)

// only checks one model.
func only(t testing.TB, ops []history.Op, model string) Result {
	t.Helper()
	results := Check(t.Context(), ops, Options{Models: []string{model}})
	if len(results) != 1 {
		t.Fatalf("got %d results for %s", len(results), model)
	}
	return results[0]
}

// search asks porcupine alone.
func search(v *view) bool { return porcupine.CheckOperations(register(), v.register()) }

func dump(ops []history.Op) string {
	var b strings.Builder
	for i := range ops {
		line, err := json.Marshal(ops[i])
		if err != nil {
			return err.Error()
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}
