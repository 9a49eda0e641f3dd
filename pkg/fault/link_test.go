package fault

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
)

// cables notes what is asked of them.
type cables struct{ orders []string }

func (c *cables) SetLink(_ context.Context, machine string, up bool) error {
	c.orders = append(c.orders, map[bool]string{false: "down ", true: "up "}[up]+machine)
	return nil
}

// TestLinkCut cuts the cable of a machine that does not answer, at an address
// where nothing listens: the proof holds, and that of the undo does not.
func TestLinkCut(t *testing.T) {
	t.Parallel()
	m, links := newMachine(t, t.TempDir(), nil), &cables{}
	spec, up := LinkCut("server", lab.Machine{Name: "worker1", Addr: "127.255.255.254"}, links)
	spec.HealWithin = 300 * time.Millisecond
	active, err := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf).Inject(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if got := active.Record().Proof; got != "worker1 does not answer" {
		t.Errorf("proof %q", got)
	}
	if err := up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var not *NotUndoneError
	if err := active.Heal(t.Context()); !errors.As(err, &not) {
		t.Errorf("a machine that does not answer was proven well: %v", err)
	}
	if diff := cmp.Diff([]string{"down worker1", "up worker1"}, links.orders); diff != "" {
		t.Error(diff)
	}
}
