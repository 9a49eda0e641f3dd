package fault

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// machine is a node whose commands run in a real shell, with a systemd made of
// files: a unit's state is what units/NAME says.
type machine struct {
	sshtest.StandIn
	srv *sshtest.Server
}

// standIns are the commands of a machine.
var standIns = map[string]string{
	"systemd-run": `for a; do
case "$a" in
--unit=*) unit=${a#--unit=};;
--on-active=*) after=${a#--on-active=};;
esac
script=$a
done
echo active > $DIR/units/$unit.timer
echo "$after" > $DIR/units/$unit.after
echo "$script" > $DIR/units/$unit.script
`,
	"systemctl": `verb=$1; for unit; do :; done
state() { cat $DIR/units/$1 2>/dev/null || echo inactive; }
state=$(state $unit)
case "$verb" in
is-active) echo "$state"; [ "$state" = active ];;
stop) echo inactive > $DIR/units/$unit;;
start|restart) echo active > $DIR/units/$unit;;
reset-failed) ;;
show) case "$*" in
	*--value*timer*service) state ${unit%.service}.timer; echo; echo "$state";;
	*--value*) echo "$state";;
	*MainPID*) echo "ActiveState=$state"; echo "MainPID=$([ "$state" = active ] && cat $DIR/units/$unit.pid 2>/dev/null || echo 0)";;
	esac;;
esac
`,
}

// newMachine makes a machine in dir; with the dir of an earlier one it is that
// one again. hook, if not nil, wraps the shell.
func newMachine(t *testing.T, dir string, hook func(sshtest.Handler) sshtest.Handler) *machine {
	t.Helper()
	m := &machine{StandIn: sshtest.StandIn{Dir: dir}}
	if !m.Exists("bin") {
		m.Write(t, "units/.keep", "", 0o644)
		m.Commands(t, standIns)
	}
	handler := sshtest.Shell()
	if hook != nil {
		handler = hook(handler)
	}
	m.srv = sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		cmd = strings.ReplaceAll(cmd, NoteDir, m.Dir+NoteDir)
		return handler(m.WithPath(cmd), stdin, stdout, stderr)
	}})
	return m
}

// nodes returns a Nodes with one connection to the machine.
func (m *machine) nodes(t *testing.T) Nodes {
	t.Helper()
	node := m.srv.Dial(t)
	return func(context.Context, string) (*sshnode.Node, error) { return node, nil }
}

// fire does what the timer of a fault does when its time has come.
func (m *machine) fire(t *testing.T, id string) {
	t.Helper()
	unit := "units/" + undoUnit(id)
	script := strings.TrimSpace(m.Read(t, unit+".script"))
	if code := sshtest.Shell()(m.WithPath(". "+script), strings.NewReader(""), io.Discard, os.Stderr); code != 0 {
		t.Fatalf("the undo script exited with status %d", code)
	}
	m.Write(t, unit+".timer", "inactive\n", 0o644)
}

// armed says whether any timer waits on the machine.
func (m *machine) armed(t *testing.T) bool {
	t.Helper()
	timers, err := filepath.Glob(filepath.Join(m.Dir, "units", "*.timer"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(timers, func(f string) bool {
		b, err := os.ReadFile(f)
		return err != nil || string(b) == "active\n"
	})
}

// breakage is a fault that makes the file "broken" on the machine.
func (m *machine) breakage(id string) Spec {
	broken := sshnode.Quote(filepath.Join(m.Dir, "broken"))
	return Spec{
		ID: id, Name: "breakage", Machine: "worker1",
		Inject:      "touch " + broken + "\n",
		Undo:        "rm -f " + broken + "\n",
		Prove:       "[ -e " + broken + " ] && echo broken\n",
		ProveUndone: "[ ! -e " + broken + " ] && echo whole\n",
	}
}

func newJournal(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir, "testlab")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// open returns the ids of the faults that are open.
func open(t *testing.T, j *Journal) []string {
	t.Helper()
	entries, _, err := j.Open()
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}
