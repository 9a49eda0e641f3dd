package run

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// fingerprintScript prints "what<TAB>value" for everything under test on a
// machine. What a machine does not have is left out.
const fingerprintScript = `
say() { [ -n "$2" ] && printf '%s\t%s\n' "$1" "$2"; }
say kernel "$(uname -r)"
say hostname "$(hostname)"
say boot_id "$(cat /proc/sys/kernel/random/boot_id)"
say os "$(. /etc/os-release && echo "$PRETTY_NAME")"
say nfs-utils "$(dpkg-query -W -f '${Version}' nfs-common 2>/dev/null || { rpm -q nfs-utils >/dev/null 2>&1 && rpm -q --qf '%{VERSION}-%{RELEASE}' nfs-utils; })"
say nfs-server "$(dpkg-query -W -f '${Version}' nfs-kernel-server 2>/dev/null)"
say containerd "$(containerd --version 2>/dev/null | cut -d' ' -f3)"
say runc "$(runc --version 2>/dev/null | sed -n 's/^runc version //p')"
say kubelet "$(kubelet --version 2>/dev/null | cut -d' ' -f2)"
say k3s "$(k3s --version 2>/dev/null | sed -n 's/^k3s version \([^ ]*\).*/\1/p')"
say rke2 "$(rke2 --version 2>/dev/null | sed -n 's/^rke2 version \([^ ]*\).*/\1/p')"
say kube-apiserver "$(kube-apiserver --version 2>/dev/null | cut -d' ' -f2)"
say lease_s "$(cat /proc/fs/nfsd/nfsv4leasetime 2>/dev/null)"
say grace_s "$(cat /proc/fs/nfsd/nfsv4gracetime 2>/dev/null)"
say leases-enable "$(cat /proc/sys/fs/leases-enable)"
say nfs4_unique_id "$(cat /sys/module/nfs/parameters/nfs4_unique_id 2>/dev/null)"
true
`

// fingerprintTimeout bounds the script on one machine.
const fingerprintTimeout = 3 * time.Minute

// settings are what the server's NFS service runs with.
type settings struct{ lease, grace float64 } // s

// fingerprint measures the release under test, machine by machine, and
// refuses clients that share an NFSv4 identity: they would steal each other's
// lease.
func fingerprint(ctx context.Context, l lab.Lab) (rundir.Fingerprint, settings, error) {
	var s settings
	prints := rundir.Fingerprint{}
	seen := map[string]string{}
	machines := l.Machines()
	all := make([]map[string]string, len(machines))
	var group errgroup.Group
	for i, m := range machines {
		group.Go(func() (err error) {
			all[i], err = fingerprintOf(ctx, l, m.Name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, s, err
	}
	for i, m := range machines {
		facts := all[i]
		prints[m.Name] = facts
		if m.Role == lab.Server {
			s.lease, s.grace = number(facts["lease_s"]), number(facts["grace_s"])
			continue
		}
		identity := facts["hostname"] + " " + facts["nfs4_unique_id"]
		if other, dup := seen[identity]; dup {
			return nil, s, &lab.InfraError{
				Machine: m.Name, What: fmt.Sprintf("has the NFSv4 client identity of %s (%s)", other, identity),
				Advice: "give every worker a host name of its own",
			}
		}
		seen[identity] = m.Name
	}
	return prints, s, nil
}

func fingerprintOf(ctx context.Context, l lab.Lab, machine string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, fingerprintTimeout)
	defer cancel()
	node, err := l.Node(ctx, machine)
	if err != nil {
		return nil, err
	}
	res, err := node.Run(ctx, fingerprintScript)
	if err != nil {
		return nil, fmt.Errorf("fingerprint %s: %w", machine, err)
	}
	return parseFacts(string(res.Stdout)), nil
}

// parseFacts reads lines of "what<TAB>value"; other lines are passed over.
func parseFacts(out string) map[string]string {
	facts := map[string]string{}
	for line := range strings.Lines(out) {
		if what, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok {
			facts[what] = value
		}
	}
	return facts
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return 0
	}
	return f
}
