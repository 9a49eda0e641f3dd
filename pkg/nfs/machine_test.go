package nfs

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// machine is a node whose commands run in a real shell, with commands and
// tables of its own in place of the dangerous ones. Everything lies below dir.
type machine struct {
	dir  string
	node *sshnode.Node
	srv  *sshtest.Server
}

// The stand-ins. $DIR is the machine's directory; a file named after a command
// and ".sh" is sourced first, so that a test can make it misbehave.
var standIns = map[string]string{
	"mount": `while [ $# -gt 2 ]; do [ "$1" = -o ] && opts=$2; shift; done
n=$(wc -l < $DIR/mountinfo)
echo "$((50+n)) 22 0:$((60+n)) / $2 rw,relatime - nfs4 $1 rw,${opts:-vers=4.2},hard,timeo=600,retrans=2,local_lock=none" >> $DIR/mountinfo
`,
	"umount": `for t; do :; done
grep -v " $t " $DIR/mountinfo > $DIR/mountinfo.new; mv $DIR/mountinfo.new $DIR/mountinfo
`,
	"exportfs": `case "$1" in
-a) cat $DIR/exports.d/*.exports | while read -r path rest; do
  fsid=${rest##*,}; printf '%s\n\t\t%s(sync,wdelay,hide,sec=sys,rw,%s)\n' "$path" "${rest%%(*}" "${fsid%)}"; done > $DIR/etab;;
-u) grep -qxF "${2#*:}" $DIR/etab || { echo "Could not find $2" >&2; exit 1; }; : > $DIR/etab;;
-v) cat $DIR/etab;;
esac
`,
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir()}
	for name, script := range standIns {
		m.write(t, "bin/"+name, "#!/bin/sh\nDIR="+m.dir+"\n[ -e $DIR/"+name+".sh ] && . $DIR/"+name+".sh\n"+script, 0o755)
	}
	m.write(t, "mountinfo", "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n", 0o644)
	m.write(t, "etab", "", 0o644)
	shell := sshtest.Shell()
	m.srv = sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		cmd = strings.NewReplacer(
			"/proc/1/mountinfo", m.dir+"/mountinfo",
			"/proc/1/mountstats", m.dir+"/mountstats",
			"/proc/net/rpc/nfsd", m.dir+"/rpc-nfsd",
			"/proc/fs/nfsd", m.dir+"/nfsd",
			"/etc/exports.d", m.dir+"/exports.d",
			ExportRoot, m.dir+ExportRoot,
		).Replace(cmd)
		return shell("PATH="+m.dir+"/bin:$PATH\n"+cmd, stdin, stdout, stderr)
	}})
	m.node = m.srv.Dial(t)
	return m
}

func (m *machine) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (m *machine) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(m.dir, name))
	return err == nil
}
