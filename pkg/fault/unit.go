package fault

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// NoteDir is where scripts on a machine leave what their proof and undo need
// to know: a tmpfs, so that a reboot, which undoes every fault, clears it.
const NoteDir = "/run/nfsim"

// note is the path of a fault's note on the machine.
func note(id string) string { return NoteDir + "/fault-" + id }

// unitState sets $state and $pid from systemd's view of a unit. One call of
// systemctl: on an emulated machine each takes a good part of a second.
func unitState(unit string) string {
	return fmt.Sprintf(`while IFS== read -r key value; do
	case "$key" in ActiveState) state=$value;; MainPID) pid=$value;; esac
done <<END
$(systemctl show -p ActiveState -p MainPID %s)
END
`, sshnode.Quote(unit))
}

// startUnit starts a unit whatever state it is in; a start limit that an
// earlier fault ran into is cleared.
func startUnit(unit string) string {
	return fmt.Sprintf("systemctl start %[1]s || { systemctl reset-failed %[1]s; systemctl start %[1]s; }\n", sshnode.Quote(unit))
}

// proveRunning exits 0 when the unit is active with a main process; it leaves
// that in $pid.
func proveRunning(unit string) string {
	return "set -e\n" + unitState(unit) + `echo "ActiveState=$state MainPID=$pid"
[ "$state" = active ] && [ "$pid" != 0 ]
`
}

// startTime is a command that prints the start time of a process in clock
// ticks since boot (proc(5), field 22 of stat), or nothing when it is gone or
// a zombie. A pid can be used again, a pid with its start time cannot.
func startTime(pid string) string {
	return fmt.Sprintf(`sed -n 's/^.*) //p' /proc/%s/stat 2>/dev/null | awk '$1 != "Z" {print $20}'`, pid)
}

// noteMainPID writes pid and start time of the unit's main process to the
// fault's note and leaves them in $pid and $start.
func noteMainPID(id, unit string) string {
	return "set -e\n" + unitState(unit) + fmt.Sprintf(`[ "$pid" != 0 ] || { echo "unit has no main process (ActiveState=$state)" >&2; exit 1; }
start=$(%s)
[ -n "$start" ]
mkdir -p %s
echo "$pid $start" > %s
`, startTime("$pid"), NoteDir, note(id))
}

// readNote sets $pid and $start from the fault's note.
func readNote(id string) string {
	return fmt.Sprintf("read -r pid start < %s || exit 1\n", note(id))
}
