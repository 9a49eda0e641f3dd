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
const ledgerScript = `
host='|'
while read -r _ _ dev _ at _ rest; do
  case "$rest" in *" nfs "*|*" nfs4 "*) host="$host$dev $at|"; printf 'mounts.host\t%s %s %s\n' "$dev" "$at" "${rest#* - }";; esac
done < /proc/self/mountinfo
own=$(readlink /proc/self/ns/mnt)
ls -l /proc/[0-9]*/ns/mnt 2>/dev/null | sed -n 's|.* /proc/\([0-9]*\)/ns/mnt -> \(mnt:.*\)|\2 \1|p' | sort -u -k 1,1 | while read -r ns pid; do
  [ "$ns" = "$own" ] && continue
  while read -r _ _ dev _ at _ rest; do
    case "$host" in *"|$dev $at|"*) continue;; esac
    case "$rest" in *" nfs "*|*" nfs4 "*) read -r name < "/proc/$pid/comm"; printf 'mounts.container\t%s %s %s in the namespace of %s\n' "$dev" "$at" "${rest#* - }" "$name";; esac
  done < "/proc/$pid/mountinfo"
done 2>/dev/null
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
for s in /proc/[0-9]*/stat; do
  read -r line < "$s" 2>/dev/null || continue
  rest=${line##*) }
  [ "${rest%% *}" = D ] && printf 'dstate\t%s\n' "${line%% *} ${line#* (}"
done
true
`

// ledgerTimeout bounds one machine's ledger.
const ledgerTimeout = 3 * time.Minute

// takeLedger reads what exists on the nodes now.
func takeLedger(ctx context.Context, nodes []*sshnode.Node) (rundir.Ledger, error) {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	outputs := make([]string, len(nodes))
	err := atOnce(len(nodes), func(i int) error {
		res, err := nodes[i].Run(ctx, ledgerScript)
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
