package nfs

import (
	"io"
	"strings"
	"testing"

	"github.com/nfsim/nfsim/pkg/sshnode"
	"github.com/nfsim/nfsim/pkg/sshnode/sshtest"
)

// machine is a node whose commands run in a real shell, with commands and
// tables of its own in place of the dangerous ones.
type machine struct {
	sshtest.StandIn
	node *sshnode.Node
	srv  *sshtest.Server
}

// standIns are the commands of a machine.
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
	m := &machine{StandIn: sshtest.StandIn{Dir: t.TempDir()}}
	m.Commands(t, standIns)
	m.Write(t, "mountinfo", "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n", 0o644)
	m.Write(t, "etab", "", 0o644)
	shell := sshtest.Shell()
	m.srv = sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
		cmd = strings.NewReplacer(
			"/proc/1/mountinfo", m.Dir+"/mountinfo",
			"/proc/1/mountstats", m.Dir+"/mountstats",
			"/proc/net/rpc/nfsd", m.Dir+"/rpc-nfsd",
			"/proc/fs/nfsd", m.Dir+"/nfsd",
			"/proc/sys/fs", m.Dir,
			"/etc/exports.d", m.Dir+"/exports.d",
			"/etc/nfs.conf.d", m.Dir+"/nfs.conf.d",
			"/etc/sysctl.d", m.Dir+"/sysctl.d",
			"/srv", m.Dir+"/srv",
		).Replace(cmd)
		return shell(m.WithPath(cmd), stdin, stdout, stderr)
	}})
	m.node = m.srv.Dial(t)
	return m
}
