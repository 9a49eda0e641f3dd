package fault

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NFSPorts are the ports of an NFS server in a lab: rpcbind, statd, nfsd,
// mountd, and lockd for UDP and TCP. The API server's port is not among them:
// the server of the built-in lab is the control plane too.
func NFSPorts() []uint16 { return []uint16{111, 662, 2049, 20048, 32769, 32803} }

// CutMode is how a partition treats packets.
type CutMode string

// The modes of a partition.
const (
	Drop   CutMode = "drop"   // silence: the peer seems dead
	Reject CutMode = "reject" // TCP resets and ICMP errors: the peer seems refused
	Mute   CutMode = "mute"   // the peer's kernel acknowledges, but nothing it says arrives
)

// Cut says which traffic of a machine a partition stops.
type Cut struct {
	// Peer is the address at the other end.
	Peer netip.Addr
	// Ports are the peer's ports, TCP and UDP. Empty means NFSPorts. Calls that
	// the peer makes to the same ports of this machine (NLM and statd callbacks)
	// are stopped as well. The NFSv4.0 callback channel goes to a port of the
	// client's choice and is not.
	Ports []uint16
	// Mode is Drop when empty.
	Mode CutMode
}

// Partition cuts a machine off from a peer's ports, both directions, every
// connection, those that are established included. It uses an nftables table
// of its own, so that nothing else on the machine is touched. The proof is a
// packet that the rules have stopped.
func Partition(machine string, cut Cut) Spec {
	id := NewID()
	table := "nfsim_" + id
	if cut.Mode == "" {
		cut.Mode = Drop
	}
	ports := cut.Ports
	if len(ports) == 0 {
		ports = NFSPorts()
	}
	return Spec{
		ID: id, Name: "partition-" + string(cut.Mode), Machine: machine,
		Inject:      "nft -f - <<'EOF'\n" + cutRules(table, cut, ports) + "EOF\n",
		Undo:        cutUndo(table),
		Prove:       cutProof(table, cut, ports),
		ProveUndone: fmt.Sprintf("if nft list table inet %s >/dev/null 2>&1; then echo 'table is still there'; exit 1; fi\necho 'table is gone'\n", table),
	}
}

// cutRules is the nftables ruleset. Its hooks come before the filter
// hooks of the machine's own firewall, so that an accept there decides nothing.
func cutRules(table string, cut Cut, ports []uint16) string {
	family := "ip"
	if cut.Peer.Is6() && !cut.Peer.Is4In6() {
		family = "ip6"
	}
	peer := cut.Peer.Unmap()
	sorted := slices.Clone(ports)
	slices.Sort(sorted)
	words := make([]string, 0, len(sorted))
	for _, p := range slices.Compact(sorted) {
		words = append(words, strconv.Itoa(int(p)))
	}
	set := "{ " + strings.Join(words, ", ") + " }"
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", table)
	if cut.Mode == Mute {
		// A bare acknowledgement is 52 bytes long, with timestamps, and a SYN-ACK 60;
		// the shortest segment with an RPC reply (24 bytes and a record mark, RFC 5531)
		// is 80. IPv6 adds 20 to each.
		longest := 72
		if family == "ip6" {
			longest += 20
		}
		fmt.Fprintf(&b, "\tchain input {\n\t\ttype filter hook input priority -150; policy accept;\n\t\t%s saddr %s tcp sport %s meta length > %d counter drop\n\t}\n}\n",
			family, peer, set, longest)
		return b.String()
	}
	for _, chain := range []struct{ hook, side string }{{"input", "saddr"}, {"output", "daddr"}} {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype filter hook %s priority -150; policy accept;\n", chain.hook, chain.hook)
		if cut.Mode == Reject && chain.hook == "input" {
			// A reset of what this machine sends comes to it through the loopback
			// interface, in the peer's name: rejected in its turn, it would be silence.
			b.WriteString("\t\tiifname \"lo\" accept\n")
		}
		for _, port := range []string{"sport", "dport"} {
			for _, proto := range []string{"tcp", "udp"} {
				verdict := "drop"
				if cut.Mode == Reject {
					verdict = "reject"
					if proto == "tcp" {
						verdict = "reject with tcp reset"
					}
				}
				fmt.Fprintf(&b, "\t\t%s %s %s %s %s %s counter %s\n", family, chain.side, peer, proto, port, set, verdict)
			}
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// cutUndo removes the table if it is there.
func cutUndo(table string) string {
	return fmt.Sprintf("if nft list table inet %[1]s >/dev/null 2>&1; then nft delete table inet %[1]s; fi\n", table)
}

// cutProof wants a packet that the rules have stopped and counted: that the
// peer is silent might have other reasons. When there was none so far it knocks
// at the peer itself, without waiting for an answer, and leaves the counting
// to the next attempt.
func cutProof(table string, cut Cut, ports []uint16) string {
	port := ports[0]
	if slices.Contains(ports, 2049) {
		port = 2049
	}
	return fmt.Sprintf(`rules=$(nft list table inet %[1]s) || exit 1
if printf '%%s\n' "$rules" | grep -E 'counter packets [1-9]'; then exit 0; fi
echo 'no packet was stopped so far'
timeout 2 bash -c 'exec 3<>/dev/tcp/%[2]s/%[3]d' </dev/null >/dev/null 2>&1 &
exit 1
`, table, cut.Peer.Unmap(), port)
}
