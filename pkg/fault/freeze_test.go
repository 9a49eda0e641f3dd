package fault

import (
	"strings"
	"testing"
	"time"
)

// freezer stands for systemctl freeze, thaw and show; a unit named lazy never
// freezes, and one named away is not active.
const freezer = `for unit; do :; done
case "$1 $unit" in
"freeze lazy") exit 0;;
"freeze "*) echo frozen > $DIR/freezer-$unit; echo "freeze $unit" >> $DIR/order; exit 0;;
"thaw away") echo "Unit is inactive." >&2; exit 1;;
"thaw "*) rm -f $DIR/freezer-$unit; echo "thaw $unit" >> $DIR/order; exit 0;;
esac
case "$*" in
*FreezerState*) cat $DIR/freezer-$unit 2>/dev/null || echo running; exit 0;;
esac
`

func TestUnitsFreeze(t *testing.T) {
	t.Parallel()
	m := newMachine(t, t.TempDir(), nil)
	m.Write(t, "systemctl.sh", freezer, 0o644)
	inj := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf)
	active, err := inj.Inject(t.Context(), UnitsFreeze("server", "api", "etcd", "away"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := active.Record().Proof, "api frozen\netcd frozen\naway frozen"; got != want {
		t.Errorf("proof %q, want %q", got, want)
	}
	// It was started anew meanwhile, and ended.
	m.Write(t, "freezer-away", "running\n", 0o644)
	if err := active.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := active.Record().ProofUndone, "api running\netcd running\naway running"; got != want {
		t.Errorf("proof of the undo %q, want %q", got, want)
	}
	if got, want := strings.Fields(m.Read(t, "order")), strings.Fields("freeze api freeze etcd freeze away thaw etcd thaw api"); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("order %q, want %q", got, want)
	}

	spec := UnitsFreeze("server", "lazy")
	spec.ProveWithin = 300 * time.Millisecond
	if _, err := inj.Inject(t.Context(), spec); err == nil {
		t.Error("a unit that runs was proven frozen")
	}
}
