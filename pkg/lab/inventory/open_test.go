package inventory

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// ctrScript plays ctr(8) with a file of "NAME DIGEST" lines.
const ctrScript = `touch $DIR/images
for a; do case "$a" in
name==*) grep -F "${a#name==} " $DIR/images > $DIR/found;;
target.digest==*) grep -F " ${a#target.digest==}" $DIR/images > $DIR/found;;
esac; done
case "$*" in
*"images list --quiet"*) cut -d' ' -f1 $DIR/found;;
*"images list"*) echo "REF TYPE DIGEST SIZE PLATFORMS LABELS"; sed 's,\([^ ]*\) \(.*\),\1 application/json \2 3MiB linux/amd64 io.x=y,' $DIR/found;;
*"images import"*) for a; do :; done; [ -s $DIR/run/nfsim-workload.tar ] || { echo "no such archive $a" >&2; exit 1; }
	printf '%s\n' "` + kube.WorkloadImage + ` sha256:11" "sha256:22 sha256:11" >> $DIR/images;;
*"images remove"*) for a; do grep -v "^$a " $DIR/images > $DIR/images.new; mv $DIR/images.new $DIR/images; done;;
*) echo "unknown: $*" >&2; exit 1;;
esac
`

// ownMachines are in-process SSH servers with an inventory of them.
type ownMachines struct {
	sshtest.StandIn // the inventory's directory
	machines        map[string]sshtest.StandIn
	file            string
}

// newMachines makes three machines. The inventory's lines for a machine get
// what extra says of it.
func newMachines(t *testing.T, extra map[string]string) ownMachines {
	t.Helper()
	o := ownMachines{StandIn: newSite(t), machines: map[string]sshtest.StandIn{}}
	var text strings.Builder
	text.WriteString("name: " + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())) + "\nkubeconfig: admin.conf\nmachines:\n")
	for i, name := range []string{"nfs1", "node1", "node2"} {
		m := sshtest.StandIn{Dir: t.TempDir()}
		m.Commands(t, map[string]string{"ctr": ctrScript, "rm": "exit 0\n"})
		m.Write(t, "run/.keep", "", 0o644)
		m.Write(t, "images", "example.org/pause:3 sha256:99\n", 0o644)
		var err error
		srv := sshtest.New(t, sshtest.Options{Root: m.Dir, Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
			return sshtest.Shell()(m.WithPath(cmd), stdin, stdout, stderr)
		}})
		if srv.ClientSigner, err = ssh.ParsePrivateKey([]byte(o.Read(t, "id"))); err != nil {
			t.Fatal(err)
		}
		o.machines[name] = m
		role := "worker"
		if i == 0 {
			role = "server"
		}
		host, port, err := net.SplitHostPort(srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "- name: %s\n  role: %s\n  address: 10.0.0.%d\n  disruptive: true\n  ssh: {host: %s, port: %s, user: tester, key: id, host_key: %s}\n%s",
			name, role, i+1, host, port, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(srv.HostKey))), extra[name])
	}
	o.Write(t, "own.yaml", text.String(), 0o600)
	o.file = filepath.Join(o.Dir, "own.yaml")
	return o
}

// open opens the inventory with a state directory of its own.
func (o ownMachines) open(t *testing.T) lab.Lab {
	t.Helper()
	l, err := Open(t.Context(), o.file, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestWorkloadComesAndGoes(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	o := newMachines(t, nil)
	const own = "example.org/pause:3 sha256:99\n"
	const theirs = own + kube.WorkloadImage + " sha256:77\n"
	o.machines["node2"].Write(t, "images", theirs, 0o644) // of its owner
	use := func() (lab.Lab, func()) {
		l := o.open(t)
		release, err := l.Acquire(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		return l, release
	}
	bring := func(l lab.Lab) {
		t.Helper()
		if err := l.(lab.Workload).EnsureWorkload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := o.machines["node1"].Read(t, "images"); !strings.Contains(got, kube.WorkloadImage+" sha256:11\nsha256:22 sha256:11\n") {
			t.Errorf("node1 has %q", got)
		}
		if got := o.machines["node2"].Read(t, "images"); got != theirs {
			t.Errorf("node2, which had the image, has %q", got)
		}
	}
	all := func(want1 string) {
		t.Helper()
		for name, want := range map[string]string{"nfs1": own, "node1": want1, "node2": theirs} {
			if got := o.machines[name].Read(t, "images"); got != want {
				t.Errorf("%s has %q, want %q", name, got, want)
			}
		}
	}

	_, release := use()
	release() // nothing was brought
	all(own)

	l, release := use()
	bring(l)
	bring(l) // nothing more
	note := filepath.Join(l.StateDir(), "workload.json")
	if b, err := os.ReadFile(note); err != nil || string(b) != `["node1"]` {
		t.Errorf("note %q, %v", b, err)
	}
	release()
	all(own)
	if _, err := os.Stat(note); err == nil {
		t.Error("the note is left")
	}

	// Killed: the next user finds the note, and takes away what it says.
	o.machines["node1"].Write(t, "images", own+kube.WorkloadImage+" sha256:11\n", 0o644)
	if err := os.WriteFile(note, []byte("[\"node1\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, release = use()
	release()
	all(own)

	// What cannot be taken away is noted still.
	l, release = use()
	bring(l)
	o.machines["node1"].Write(t, "ctr.sh", "exit 7\n", 0o644)
	release()
	if _, err := os.Stat(note); err != nil {
		t.Error(err)
	}
	o.machines["node1"].Write(t, "ctr.sh", "", 0o644)
	_, release = use()
	release()
	all(own)
}

func TestWorkloadWithoutContainerd(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	o := newMachines(t, nil)
	o.machines["node2"].Write(t, "ctr.sh", "echo cannot connect >&2; exit 1\n", 0o644)
	var usage *lab.UsageError
	if err := o.open(t).(lab.Workload).EnsureWorkload(t.Context()); !errors.As(err, &usage) || !strings.Contains(err.Error(), "node2") {
		t.Errorf("error %v", err)
	}
}

func TestPower(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	const all = "  power: echo $NFSIM_MACHINE >> reset; [ $NFSIM_MACHINE != node2 ] || { echo no such outlet; exit 3; }\n"
	o := newMachines(t, map[string]string{"nfs1": all, "node1": all, "node2": all})
	l := o.open(t)
	if _, ok := l.(lab.PowerMissing); ok {
		t.Error("it says that power is missing")
	}
	p := l.(lab.Power)
	node, err := l.Node(t.Context(), "node1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Reset(t.Context(), "node1"); err != nil {
		t.Fatal(err)
	}
	<-node.Closed()
	if got := o.Read(t, "reset"); got != "node1\n" {
		t.Errorf("reset %q", got)
	}
	var infra *lab.InfraError
	if err := p.Reset(t.Context(), "node2"); !errors.As(err, &infra) || infra.Machine != "node2" || !strings.Contains(err.Error(), "no such outlet") {
		t.Errorf("error %v", err)
	}
	var usage *lab.UsageError
	if err := p.Reset(t.Context(), "nobody"); !errors.As(err, &usage) {
		t.Errorf("error %v", err)
	}
}

func TestNoPower(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	o := newMachines(t, map[string]string{"node1": "  power: reboot-it\n"})
	l := o.open(t)
	if _, ok := l.(lab.Power); ok {
		t.Fatal("it has power")
	}
	if why := l.(lab.PowerMissing).NoPower(); !strings.Contains(why, "no power command for nfs1, node2") {
		t.Errorf("reason %q", why)
	}
}

func TestOneNameOneFile(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	o := newMachines(t, nil)
	o.open(t)
	o.Write(t, "second.yaml", o.Read(t, "own.yaml"), 0o600)
	o.file = filepath.Join(o.Dir, "second.yaml")
	var usage *lab.UsageError
	if _, err := Open(t.Context(), o.file, t.Logf); !errors.As(err, &usage) || !strings.Contains(err.Error(), "belongs to "+filepath.Join(o.Dir, "own.yaml")) {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(filepath.Join(o.Dir, "own.yaml")); err != nil {
		t.Fatal(err)
	}
	o.open(t) // the file was moved
}

func TestVerifyUnits(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	o := newMachines(t, map[string]string{"node1": "  kubelet_unit: k3s-agent\n"})
	for name, unit := range map[string]string{"node1": "rke2-agent.service", "node2": "kubelet.service"} {
		o.machines[name].Commands(t, map[string]string{"systemctl": `for a; do :; done
case "$1 $a" in "show ` + unit + `") echo loaded;; show*) echo not-found;; *) echo "` + unit + ` enabled";; esac
`})
	}
	err := verifyUnits(t.Context(), o.open(t))
	var usage *lab.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "machine node1 has no unit k3s-agent.service (systemd calls it not-found; there are: rke2-agent.service)") || strings.Contains(err.Error(), "node2") {
		t.Errorf("error %v", err)
	}
}
