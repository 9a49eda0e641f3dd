package inventory

import (
	"os"
	"strings"
	"testing"
)

// TestDocsExample reads the inventory of docs/labs.md, word for word.
func TestDocsExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/labs.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n# rack4.yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no example in docs/labs.md")
	}
	inv, err := Parse([]byte(example), "/labs/rack4.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Machines) != 3 || inv.Machines[0].SSH.Jump == nil || inv.Machines[2].SSH.HostKey == "" {
		t.Errorf("%+v", inv)
	}
}
