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
	ctx, cancel := context.WithTimeout(ctx, scriptTimeout)
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

// disarm stops the timer, waits for an undo that it already started, removes
// what the fault left in NoteDir, and returns whether the timer had fired. It
// may be done again.
func (s shell) disarm(ctx context.Context, machine, id string) (fired bool, err error) {
	unit := undoUnit(id)
	script := fmt.Sprintf(`systemctl stop %[1]s.timer 2>/dev/null
if systemctl show -p ActiveState --value %[1]s.timer %[1]s.service | grep -vxE 'inactive|failed|'; then
	echo "%[1]s still runs"; exit 1
fi
if [ -e %[2]s ]; then echo "fired at uptime $(cat %[2]s) s"; fi
rm -f %[2]s %[3]s %[4]s
`, unit, firedFile(id), undoFile(id), note(id))
	out, err := s.await(ctx, machine, script)
	if err != nil {
		return false, fmt.Errorf("disarm %s on %s: %w", unit, machine, err)
	}
	return strings.HasPrefix(out, "fired"), nil
}
