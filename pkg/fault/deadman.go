package fault

import (
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// undoUnit is the systemd unit name, without suffix, of a fault's timer and
// the service that it starts.
func undoUnit(id string) string { return "nfsim-undo-" + id }

// undoFile holds the undo script on the machine. systemd-run cannot take the
// script itself: systemd would expand its dollar signs.
func undoFile(id string) string { return NoteDir + "/undo-" + id + ".sh" }

// firedFile is written by the timer's service, with the machine's uptime in
// seconds, before it undoes.
func firedFile(id string) string { return NoteDir + "/fired-" + id }

// arm writes the undo to the machine, starts the timer that will run it, and
// checks that systemd lists the timer as waiting.
func (s shell) arm(ctx context.Context, spec Spec) error {
	ctx, cancel := context.WithTimeout(ctx, spec.ProveWithin)
	defer cancel()
	unit := undoUnit(spec.ID)
	undo := fmt.Sprintf("cut -d' ' -f1 /proc/uptime > %s\n%s", firedFile(spec.ID), spec.Undo)
	script := fmt.Sprintf(`set -e
mkdir -p %[1]s
printf %%s %[2]s > %[3]s
systemd-run --quiet --collect --unit=%[4]s --on-active=%[5]dms --timer-property=AccuracySec=100ms sh %[3]s
state=$(systemctl is-active %[4]s.timer) || { echo "timer %[4]s is $state" >&2; exit 1; }
`, NoteDir, sshnode.Quote(undo), undoFile(spec.ID), unit, spec.Deadman.Milliseconds())
	_, err := s.run(ctx, spec.Machine, script)
	return err
}

// disarm stops the timer, waits for an undo that it already started, and
// returns whether it had fired.
func (s shell) disarm(ctx context.Context, machine, id string) (fired bool, err error) {
	unit := undoUnit(id)
	script := fmt.Sprintf(`set -e
systemctl stop %[1]s.timer 2>/dev/null || :
for u in %[1]s.timer %[1]s.service; do
	state=$(systemctl show -p ActiveState --value "$u")
	case "$state" in inactive|failed) ;; *) echo "$u is $state"; exit 1;; esac
done
if [ -e %[2]s ]; then echo "fired at uptime $(cat %[2]s) s"; fi
`, unit, firedFile(id))
	out, err := s.await(ctx, machine, script)
	if err != nil {
		return false, fmt.Errorf("disarm %s on %s: %w", unit, machine, err)
	}
	return strings.HasPrefix(out, "fired"), nil
}

// tidy removes a fault's notes from the machine. It comes after the journal's
// closing line, because a heal that is repeated needs them.
func (s shell) tidy(ctx context.Context, machine, id string) error {
	_, err := s.run(ctx, machine, fmt.Sprintf("rm -f %s %s %s\n", undoFile(id), firedFile(id), note(id)))
	return err
}
