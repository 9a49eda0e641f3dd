package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// checkTimeout bounds looking at one machine: the connection and one command.
const checkTimeout = 30 * time.Second

// needs are the commands that a machine of each role must have: scenarios
// would fail on them half-way.
func needs(role lab.Role) []string {
	common := []string{"systemctl", "systemd-run", "nft", "ip", "sha256sum"}
	if role == lab.Server {
		return append(common, "exportfs")
	}
	return append(common, "mount.nfs", "umount")
}

// Check connects to every machine and looks whether scenarios can run there:
// root, and the commands that faults and mounts take. What is missing, on all
// machines, is one *lab.UsageError.
func Check(ctx context.Context, l lab.Lab) error {
	all := l.Machines()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() { errs[i] = check(ctx, l, m) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func check(ctx context.Context, l lab.Lab, m lab.Machine) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, fmt.Errorf("no answer within %s", checkTimeout))
	defer cancel()
	node, err := l.Node(ctx, m.Name)
	if err != nil {
		return &lab.UsageError{What: fmt.Sprintf("machine %s cannot be used", m.Name), Err: err, Advice: "is it up, and may this user log in with this key?"}
	}
	const script = `PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || echo "root: the login is $(id -un) and does not become root"
for c in %s; do command -v "$c" >/dev/null || echo "the command $c"; done`
	out, err := node.Output(ctx, fmt.Sprintf(script, sshnode.Quote(needs(m.Role)...)))
	if err != nil {
		return &lab.UsageError{What: fmt.Sprintf("machine %s cannot be used", m.Name), Err: err, Advice: "if the login is not root, it needs sudo without a password"}
	}
	if out = strings.TrimSpace(out); out != "" {
		return &lab.UsageError{
			What:   fmt.Sprintf("machine %s lacks %s", m.Name, strings.Join(strings.Split(out, "\n"), ", ")),
			Advice: "on Debian: apt-get install nftables iproute2 and nfs-kernel-server (server) or nfs-common (worker)",
		}
	}
	return nil
}
