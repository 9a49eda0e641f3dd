package fault

import (
	"context"
	"fmt"

	"github.com/nfsim/nfsim/pkg/lab"
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

// Links is a provider's control of its machines' cables, as lab/qemu has it.
type Links interface {
	SetLink(ctx context.Context, machine string, up bool) error
}

// LinkCut cuts a machine's cable at the provider: everything is silent, SSH to
// it too, and its peers' link addresses go stale. The proof is taken on witness,
// another machine, which must not reach it any more. No script on a machine can
// undo it: up does, and may be called again; after a crash of the controller it
// is the provider's restore that does.
func LinkCut(witness string, m lab.Machine, links Links) (down Spec, up func(ctx context.Context) error) {
	knock := fmt.Sprintf("timeout 2 bash -c 'exec 3<>/dev/tcp/%s/22' </dev/null 2>/dev/null", m.Addr)
	return Spec{
		ID: NewID(), Name: "link-cut", Machine: witness,
		Do:          func(ctx context.Context) error { return links.SetLink(ctx, m.Name, false) },
		Prove:       "if " + knock + "; then exit 1; fi\necho '" + m.Name + " does not answer'\n",
		ProveUndone: knock + " && echo '" + m.Name + " answers'\n",
	}, func(ctx context.Context) error { return links.SetLink(ctx, m.Name, true) }
}
