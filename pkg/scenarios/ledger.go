package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nfsim/nfsim/pkg/rundir"
	"github.com/nfsim/nfsim/pkg/shareserver"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// ledgerScript prints "category<TAB>entry" for everything on a machine that a
// trial may leave behind. It reads only local tables (never a path on NFS), so
// it cannot hang on a dead server: of a pod's volume-subpaths the directories of
// volume and container, never what is bound below them. Of mount namespaces it
// reads each that any process has, once, and leaves out what is there only because
// the host has it: mounts propagate to the namespaces of services.
func ledgerScript() string {
	return mountsScript("/proc") + `
for d in /var/lib/kubelet/pods/*; do [ -d "$d" ] && printf 'poddirs\t%s\n' "$d"; done
for d in /var/lib/kubelet/pods/*/volume-subpaths/*/*; do [ -d "$d" ] && printf 'poddirs\t%s\n' "$d"; done
for c in /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json /run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json; do
  [ -f "$c" ] || continue
  id=${c%/config.json}
  pod=$(grep -o '"io.kubernetes.cri.sandbox-name":"[^"]*"' "$c" | cut -d'"' -f4)
  printf 'containers\tpod %s container %s\n' "$pod" "${id##*/}"
done
for d in ` + shareserver.Root + `/*/*; do [ -d "$d" ] && printf 'sharedirs\t%s\n' "$d"; done
exportfs -s 2>/dev/null | while read -r at rest; do printf 'exports\t%s %s\n' "$at" "$rest"; done
nft list tables 2>/dev/null | grep ' nfsim_' | while read -r t; do printf 'nft\t%s\n' "$t"; done
systemctl list-units --all --plain --no-legend 'nfsim-undo-*' | while read -r u _; do printf 'units\t%s\n' "$u"; done
` + blockedProcesses("/proc") + `true
`
}

// mountsScript is the ledger's part on mounts. It is awk that reads the tables:
// a shell reads byte by byte, each a system call, which took an emulated machine
// longer than all the rest.
func mountsScript(proc string) string {
	return headless(proc) + `
ls -nU ` + proc + `/[0-9]*/ns/mnt $(for t in $headless; do echo $t/ns/mnt; done) 2>/dev/null | awk -v own="$(readlink ` + proc + `/self/ns/mnt)" '
function nfs(line) {
  if (!match(line, / - nfs4? /)) return 0
  split(line, f, " "); at = f[3] " " f[5]; what = substr(line, RSTART + 3)
  return 1
}
BEGIN {
  while ((getline line < "` + proc + `/self/mountinfo") > 0)
    if (nfs(line)) { host[at] = 1; printf "mounts.host\t%s %s\n", at, what }
}
$(NF-1) == "->" && $NF != own && !($NF in read) {
  dir = $(NF-2); sub(/\/ns\/mnt$/, "", dir); table = dir "/mountinfo"; comm = dir "/comm"
  while ((getline line < table) > 0) {
    read[$NF] = 1
    if (!nfs(line) || at in host) continue
    name = "?"; getline name < comm; close(comm)
    printf "mounts.container\t%s %s in the namespace of %s\n", at, what, name
  }
  close(table)
}'
`
}

// headless sets a variable to patterns of the threads whose main thread has ended
// while they go on, in an I/O that SIGKILL does not wake, say. /proc shows such a
// process as a zombie that has no namespace; its threads still have theirs.
func headless(proc string) string {
	return `headless=$(grep -lsE '^[0-9]+ \(.*\) Z ' ` + proc + `/[0-9]*/stat | sed 's,/stat$,/task/[0-9]*,')`
}

// blockedProcesses is the ledger's part on processes in state D, and on threads
// of those that are headless.
func blockedProcesses(proc string) string {
	return headless(proc) + `
grep -hsE '^[0-9]+ \(.*\) D ' ` + proc + `/[0-9]*/stat $(for t in $headless; do echo $t/stat; done) | sed -E 's/^([0-9]+) \((.*)\) D .*/dstate\t\1 (\2)/'
`
}

// ledgerTimeout bounds one machine's ledger.
const ledgerTimeout = 3 * time.Minute

// takeLedger reads what exists on the nodes now.
func takeLedger(ctx context.Context, nodes []*sshnode.Node) (rundir.Ledger, error) {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	outputs := make([]string, len(nodes))
	err := atOnce(len(nodes), func(i int) error {
		res, err := nodes[i].Run(ctx, ledgerScript())
		if err != nil {
			return fmt.Errorf("take ledger of %s: %w", nodes[i].Name(), err)
		}
		outputs[i] = string(res.Stdout)
		return nil
	})
	if err != nil {
		return nil, err
	}
	ledger := rundir.Ledger{}
	for i, n := range nodes {
		for line := range strings.Lines(outputs[i]) {
			if category, entry, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok {
				ledger[category] = append(ledger[category], n.Name()+": "+entry)
			}
		}
	}
	for _, entries := range ledger {
		slices.Sort(entries)
	}
	return ledger, nil
}

// ofCell keeps the entries that belong to a cell: those that name one of its
// keys (export path, pod name, pod UID), those of a device that it had mounted and
// that name no export of the run, which would be somebody else's by then, and
// those that belong to no cell at all but to the machine it broke.
func ofCell(l rundir.Ledger, c *Cell, run, machine string) rundir.Ledger {
	own := rundir.Ledger{}
	for category, entries := range l {
		kept := []string{}
		for _, entry := range entries {
			names := func(key string) bool { return mentions(entry, key) }
			mine := slices.ContainsFunc(c.keys, names) || !strings.Contains(entry, "/"+run+"/") && slices.ContainsFunc(c.devices, names)
			shared := category == rundir.NFT || category == rundir.Units
			if mine || shared && machine != "" && strings.HasPrefix(entry, machine+": ") {
				kept = append(kept, entry)
			}
		}
		own[category] = kept
	}
	return own
}

// mentions reports whether an entry has the key in it, not merely as the
// beginning or the end of a longer one: cell 1 is not cell 10, and a cell of
// delete-while-down none of force-delete-while-down.
func mentions(entry, key string) bool {
	if key == "" {
		return false
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	first, _ := utf8.DecodeRuneInString(key)
	for from := 0; ; {
		i := strings.Index(entry[from:], key)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(entry[:from+i])
		from += i + len(key)
		next, _ := utf8.DecodeRuneInString(entry[from:])
		within := word(first) && (word(before) || before == '-')
		if !within && !word(next) {
			return true
		}
	}
}
