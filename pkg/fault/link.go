package fault

import (
	"fmt"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// LinkDown takes a network interface down. It refuses the interface that the
// SSH session itself arrives on: that one belongs to the provider's link
// control, which can be undone from outside. It refuses as well when sudo
// took SSH_CONNECTION away.
func LinkDown(machine, iface string) Spec {
	q := sshnode.Quote(iface)
	return Spec{
		ID: NewID(), Name: "link-down", Machine: machine,
		Inject: fmt.Sprintf(`self=$(echo "$SSH_CONNECTION" | cut -d' ' -f3)
[ -n "$self" ] || { echo "cannot tell which interface SSH comes in on" >&2; exit 1; }
if ip -o addr show dev %[1]s | grep -qF " $self/"; then
	echo "SSH comes in on this interface" >&2; exit 1
fi
ip link set dev %[1]s down
`, q),
		Undo:        fmt.Sprintf("ip link set dev %s up\n", q),
		Prove:       fmt.Sprintf("ip -o link show dev %[1]s\n! ip -o link show dev %[1]s up | grep -q .\n", q),
		ProveUndone: fmt.Sprintf("ip -o link show dev %[1]s up | grep .\n", q),
	}
}
