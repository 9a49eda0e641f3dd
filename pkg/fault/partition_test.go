package fault

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

func TestCutRules(t *testing.T) {
	t.Parallel()
	got := cutRules("nfsim_x", Cut{Peer: netip.MustParseAddr("192.168.127.10"), Mode: Reject}, []uint16{2049, 111, 2049})
	want := `table inet nfsim_x {
	chain input {
		type filter hook input priority -150; policy accept;
		iifname "lo" accept
		ip saddr 192.168.127.10 tcp sport { 111, 2049 } counter reject with tcp reset
		ip saddr 192.168.127.10 udp sport { 111, 2049 } counter reject
		ip saddr 192.168.127.10 tcp dport { 111, 2049 } counter reject with tcp reset
		ip saddr 192.168.127.10 udp dport { 111, 2049 } counter reject
	}
	chain output {
		type filter hook output priority -150; policy accept;
		ip daddr 192.168.127.10 tcp sport { 111, 2049 } counter reject with tcp reset
		ip daddr 192.168.127.10 udp sport { 111, 2049 } counter reject
		ip daddr 192.168.127.10 tcp dport { 111, 2049 } counter reject with tcp reset
		ip daddr 192.168.127.10 udp dport { 111, 2049 } counter reject
	}
}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	six := cutRules("nfsim_x", Cut{Peer: netip.MustParseAddr("fd00::1"), Mode: Drop}, []uint16{2049})
	if !strings.Contains(six, "ip6 saddr fd00::1 tcp sport { 2049 } counter drop") {
		t.Error(six)
	}
}

// TestCutRulesMute checks that only the peer's answers are dropped, by their
// length.
func TestCutRulesMute(t *testing.T) {
	t.Parallel()
	for peer, want := range map[string]string{
		"192.168.127.10": "ip saddr 192.168.127.10 tcp sport { 2049 } meta length > 72 counter drop",
		"fd00::1":        "ip6 saddr fd00::1 tcp sport { 2049 } meta length > 92 counter drop",
	} {
		got := cutRules("nfsim_x", Cut{Peer: netip.MustParseAddr(peer), Mode: Mute}, []uint16{2049})
		if !strings.Contains(got, want) || strings.Contains(got, "hook output") {
			t.Error(got)
		}
	}
}

// peerAddr makes this test's own process an echo server, in the network
// namespace that it was started in.
const peerAddr = "NFSIM_TEST_PEER"

// TestPartition cuts real connections between two network namespaces of its
// own, with real nftables.
func TestPartition(t *testing.T) {
	if addr := os.Getenv(peerAddr); addr != "" {
		echo(t, addr)
		return
	}
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine", tool)
		}
	}
	for _, mode := range []CutMode{Drop, Reject} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			client, server := namespaces(t)
			startPeer(t, server, "10.99.0.2:2049")
			startPeer(t, server, "10.99.0.2:6443")
			m := newMachine(t, t.TempDir(), func(shell sshtest.Handler) sshtest.Handler {
				return func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
					return shell("exec ip netns exec "+client+" bash <<'INNER'\n"+cmd+"\nINNER\n", stdin, stdout, stderr)
				}
			})
			nfs := connect(t, client, "10.99.0.2", 2049)
			api := connect(t, client, "10.99.0.2", 6443)
			if !nfs.answers(t) || !api.answers(t) {
				t.Fatal("the peer does not answer before the fault")
			}

			inj := NewInjector(newJournal(t, t.TempDir()), Reach{Nodes: m.nodes(t)}, t.Logf)
			active, err := inj.Inject(t.Context(), Partition("worker1", Cut{Peer: netip.MustParseAddr("10.99.0.2"), Mode: mode}))
			if err != nil {
				t.Fatal(err)
			}
			if proof := active.Record().Proof; !strings.Contains(proof, "counter packets") {
				t.Errorf("proof %q", proof)
			}
			if nfs.answers(t) {
				t.Error("an established connection outlived the partition")
			}
			knock := exec.CommandContext(t.Context(), "ip", "netns", "exec", client, "timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/10.99.0.2/2049")
			var exit *exec.ExitError
			if err := knock.Run(); !errors.As(err, &exit) || (exit.ExitCode() == 124) != (mode == Drop) {
				t.Errorf("a new connection: %v; only silence takes until the time is over (status 124)", err)
			}
			if !api.answers(t) {
				t.Error("a port that is not the NFS server's was cut")
			}
			if err := active.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !connect(t, client, "10.99.0.2", 2049).answers(t) {
				t.Error("the peer does not answer after healing")
			}
			if mode == Drop && !nfs.answers(t) {
				t.Error("a connection that was only silenced did not come back")
			}

			// A cut of somebody else's address has no effect on anybody.
			spec := Partition("worker1", Cut{Peer: netip.MustParseAddr("10.99.0.77"), Mode: mode})
			spec.Prove = cutProof("nfsim_"+spec.ID, Cut{Peer: netip.MustParseAddr("10.99.0.2")}, NFSPorts())
			spec.ProveWithin = time.Second
			var not *NotProvenError
			if _, err := inj.Inject(t.Context(), spec); !errors.As(err, &not) || not.Undo != nil {
				t.Errorf("error %v", err)
			}
			out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", client, "nft", "list", "tables").CombinedOutput()
			if err != nil || len(out) != 0 {
				t.Errorf("tables left: %s, %v", out, err)
			}
		})
	}
}

// namespaces makes two network namespaces with a link between them.
func namespaces(t *testing.T) (client, server string) {
	t.Helper()
	id := NewID()
	client, server = "nfsim-c-"+id, "nfsim-s-"+id
	run := func(format string, args ...any) {
		t.Helper()
		line := fmt.Sprintf(format, args...)
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	for _, ns := range []string{client, server} {
		run("netns add %s", ns)
		t.Cleanup(func() { run("netns del %s", ns) })
		run("-n %s link set lo up", ns)
	}
	run("-n %s link add veth0 type veth peer name veth0 netns %s", client, server)
	for ns, addr := range map[string]string{client: "10.99.0.1/24", server: "10.99.0.2/24"} {
		run("-n %s addr add %s dev veth0", ns, addr)
		run("-n %s link set veth0 up", ns)
	}
	return client, server
}

// startPeer starts an echo server in a namespace and waits until it listens.
func startPeer(t *testing.T, ns, addr string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns, os.Args[0], "-test.run=^TestPartition$")
	c.Env = append(os.Environ(), peerAddr+"="+addr)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It ends by its test's context; there is nothing to learn from how.
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "listening\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

// echo answers every line with the same line, until it is killed.
func echo(t *testing.T, addr string) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}()
	}
}

// connection is a TCP connection held open by a shell in a namespace.
type connection struct {
	in  io.Writer
	out *bufio.Reader
}

func connect(t *testing.T, ns, host string, port int) *connection {
	t.Helper()
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%d || exit 1
while read -r word; do
	if echo "$word" >&3 && read -r -t 2 back <&3; then echo "got $back"; else echo lost; fi
done`, host, port)
	c := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns, "bash", "-c", "trap '' PIPE; "+script)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return &connection{in: in, out: bufio.NewReader(out)}
}

// answers sends a word and says whether it comes back.
func (c *connection) answers(t *testing.T) bool {
	t.Helper()
	if _, err := io.WriteString(c.in, "ping\n"); err != nil {
		return false
	}
	line, err := c.out.ReadString('\n')
	return err == nil && strings.HasPrefix(line, "got ")
}
