package fault

import (
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// UnitsFreeze stops all processes of systemd units where they are, with the
// freezer of their control groups (systemctl(1), freeze). systemd goes on
// counting them active; none of their timers fires and they take no processor
// time. What must not wait for another in vain is named first, as in scheduler,
// API server, etcd. The undo thaws them in the reverse order, and leaves alone
// what has been started anew meanwhile.
func UnitsFreeze(machine string, units ...string) Spec {
	var freeze, thaw, show strings.Builder
	for i := range units {
		freeze.WriteString("systemctl freeze " + sshnode.Quote(units[i]) + "\n")
		// A unit that is not active cannot be thawed, and need not be.
		thaw.WriteString("systemctl thaw " + sshnode.Quote(units[len(units)-1-i]) + " || true\n")
		show.WriteString("state=$(systemctl show -P FreezerState " + sshnode.Quote(units[i]) + ")\necho " + sshnode.Quote(units[i]) + " \"$state\"\n[ \"$state\" = \"$want\" ]\n")
	}
	return Spec{
		ID: NewID(), Name: "units-freeze", Machine: machine,
		Inject:      "set -e\n" + freeze.String(),
		Undo:        thaw.String(),
		Prove:       "set -e\nwant=frozen\n" + show.String(),
		ProveUndone: "set -e\nwant=running\n" + show.String(),
	}
}
