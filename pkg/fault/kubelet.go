package fault

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// KubeletStop stops the unit (usually "kubelet.service") as `systemctl stop`
// does. Containers go on running when the unit has KillMode=process.
func KubeletStop(machine, unit string) Spec {
	return stopUnit("kubelet-stop", machine, unit)
}

// KubeletKill sends SIGKILL to the unit's main process. With Restart=always
// systemd starts another after RestartSec, so the effect proven is that the
// process that was there is gone, and healing waits for a running one.
func KubeletKill(machine, unit string) Spec {
	id := NewID()
	return Spec{
		ID: id, Name: "kubelet-kill", Machine: machine,
		Inject:      noteMainPID(id, unit) + "kill -KILL \"$pid\"\n",
		Undo:        startUnit(unit),
		Prove:       readNote(id) + "now=$(" + startTime("$pid") + ")\n[ \"$now\" != \"$start\" ] && echo \"process $pid is gone\"\n",
		ProveUndone: proveRunning(unit),
	}
}

// KubeletFreeze sends SIGSTOP to the unit's main process: all its threads
// stand still while systemd believes that it runs. The undo is SIGCONT.
func KubeletFreeze(machine, unit string) Spec {
	id := NewID()
	return Spec{
		ID: id, Name: "kubelet-freeze", Machine: machine,
		Inject: noteMainPID(id, unit) + "kill -STOP \"$pid\"\n",
		// Without a note nothing was frozen. A process that took over the pid of
		// one that ended meanwhile is left alone.
		Undo: fmt.Sprintf("[ -s %s ] || exit 0\n", note(id)) + readNote(id) +
			"[ \"$(" + startTime("$pid") + ")\" = \"$start\" ] || exit 0\nkill -CONT \"$pid\"\n",
		Prove:       readNote(id) + "grep -H '^State:' /proc/$pid/task/*/status && ! grep -L '^State:[[:space:]]*T' /proc/$pid/task/*/status | grep -q .\n",
		ProveUndone: proveRunning(unit) + "! grep -q '^State:[[:space:]]*T' \"/proc/$pid/status\"\n",
	}
}

// stopUnit is a fault that stops a systemd unit until it is healed.
func stopUnit(name, machine, unit string) Spec {
	return Spec{
		ID: NewID(), Name: name, Machine: machine,
		Inject: "systemctl stop " + sshnode.Quote(unit) + "\n",
		Undo:   startUnit(unit),
		Prove: unitState(unit) + `echo "ActiveState=$state MainPID=$pid"
case "$state" in inactive|failed) [ "$pid" = 0 ];; *) false;; esac
`,
		ProveUndone: proveRunning(unit),
	}
}
