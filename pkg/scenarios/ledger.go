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
// it cannot hang on a dead server.
const ledgerScript = `
while read -r _ _ dev _ at _ rest; do
  case "$rest" in *" nfs "*|*" nfs4 "*) printf 'mounts.host\t%s %s %s\n' "$dev" "$at" "${rest#* - }";; esac
done < /proc/self/mountinfo
for d in /var/lib/kubelet/pods/*; do [ -d "$d" ] && printf 'poddirs\t%s\n' "$d"; done
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
const ledgerTimeout = 60 * time.Second

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
// keys (export path, pod name, pod UID), and those that belong to no cell at
// all but to the machine it broke.
func ofCell(l rundir.Ledger, keys []string, machine string) rundir.Ledger {
	own := rundir.Ledger{}
	for category, entries := range l {
		kept := []string{}
		for _, entry := range entries {
			mine := slices.ContainsFunc(keys, func(k string) bool { return mentions(entry, k) })
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
// beginning of a longer one: cell 1 is not cell 10.
func mentions(entry, key string) bool {
	if key == "" {
		return false
	}
	for {
		_, after, found := strings.Cut(entry, key)
		if !found {
			return false
		}
		next, _ := utf8.DecodeRuneInString(after)
		if !unicode.IsLetter(next) && !unicode.IsDigit(next) {
			return true
		}
		entry = after
	}
}
