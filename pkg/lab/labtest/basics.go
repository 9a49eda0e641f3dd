package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// nobody is a name that no machine has.
const nobody = "no-such-machine"

func awaitReady(ctx context.Context, l lab.Lab) error {
	return l.(lab.Readiness).AwaitReady(ctx, func(string, ...any) {})
}

// machines looks at names, roles and addresses.
func machines(_ context.Context, l lab.Lab) error {
	if l.Name() == "" || !slices.Contains([]string{"qemu", "vagrant", "inventory"}, l.Provider()) {
		return fmt.Errorf("lab %q of provider %q", l.Name(), l.Provider())
	}
	all := l.Machines()
	if len(all) < 3 || all[0].Role != lab.Server {
		return fmt.Errorf("machines %+v: want a server and then at least two workers", all)
	}
	seen := map[string]bool{}
	for i, m := range all {
		switch {
		case i > 0 && m.Role != lab.Worker:
			return fmt.Errorf("machine %s has role %q after the server", m.Name, m.Role)
		case i > 1 && m.Name <= all[i-1].Name:
			return fmt.Errorf("worker %s comes after %s", m.Name, all[i-1].Name)
		case m.Name == "" || m.Addr == "" || seen[m.Name] || seen[m.Addr]:
			return fmt.Errorf("machine %+v has no name or address of its own", m)
		}
		seen[m.Name], seen[m.Addr] = true, true
	}
	return nil
}

func unknownMachine(ctx context.Context, l lab.Lab) error {
	_, err := l.Node(ctx, nobody)
	return wantUsage("connect to "+nobody, err)
}

// wantUsage says that an error is not a *lab.UsageError.
func wantUsage(what string, err error) error {
	var usage *lab.UsageError
	if !errors.As(err, &usage) {
		return fmt.Errorf("%s: error %s, want a *lab.UsageError", what, fmt.Sprint(err))
	}
	return nil
}

// nodeReused looks whether there is one connection to a machine, and another
// when that broke.
func nodeReused(ctx context.Context, l lab.Lab) error {
	for _, m := range l.Machines() {
		first, err := l.Node(ctx, m.Name)
		if err != nil {
			return err
		}
		again, err := l.Node(ctx, m.Name)
		if err != nil {
			return err
		}
		if first != again {
			return fmt.Errorf("%s: two connections", m.Name)
		}
		if err := first.Close(); err != nil {
			return err
		}
		select {
		case <-first.Closed():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if _, err := output(ctx, l, m, "true"); err != nil {
			return fmt.Errorf("after the connection broke: %w", err)
		}
	}
	return nil
}

func root(ctx context.Context, l lab.Lab) error {
	return onEach(l, func(m lab.Machine) error {
		id, err := output(ctx, l, m, "id -u")
		if err == nil && id != "0" {
			err = fmt.Errorf("commands run as user %s", id)
		}
		return err
	})
}

// ownMachines looks whether connections lead to machines of their own.
func ownMachines(ctx context.Context, l lab.Lab) error {
	seen := map[string]string{}
	return onEach(l, func(m lab.Machine) error {
		id, err := output(ctx, l, m, bootID)
		if err != nil {
			return err
		}
		if other, dup := seen[id]; dup {
			return fmt.Errorf("it is the same machine as %s", other)
		}
		seen[id] = m.Name
		return nil
	})
}

// addresses looks whether the machines reach each other.
func addresses(ctx context.Context, l lab.Lab) error {
	return onEach(l, func(m lab.Machine) error {
		for _, to := range l.Machines() {
			if to.Name == m.Name {
				continue
			}
			// Which ports are open is the machines' business: the NFS port of the server
			// must be, elsewhere an answer of any kind will do.
			probe := "ping -c 1 -W 5 " + to.Addr + " || timeout 5 bash -c " + sshnode.Quote("</dev/tcp/"+to.Addr+"/22")
			if to.Role == lab.Server {
				probe = "timeout 10 bash -c " + sshnode.Quote("</dev/tcp/"+to.Addr+"/2049")
			}
			if _, err := output(ctx, l, m, probe); err != nil {
				return fmt.Errorf("reach %s: %w", to.Name, err)
			}
		}
		return nil
	})
}

func stateDir(_ context.Context, l lab.Lab) error {
	info, err := os.Stat(l.StateDir())
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s: mode %v, want a directory of mode 0700", l.StateDir(), info.Mode())
	}
	return nil
}

// oneUser looks whether a second user is turned down, and told by whom.
func oneUser(ctx context.Context, l lab.Lab) error {
	const who = "labtest's first user"
	release, err := l.Acquire(ctx, who)
	if err != nil {
		return err
	}
	second, err := l.Acquire(ctx, "second")
	var busy *lab.BusyError
	if !errors.As(err, &busy) || busy.PID != os.Getpid() || busy.Who != who {
		if err == nil {
			second()
		}
		release()
		return fmt.Errorf("second user: error %s, want a *lab.BusyError that names process %d (%s)", fmt.Sprint(err), os.Getpid(), who)
	}
	release()
	release, err = l.Acquire(ctx, "third")
	if err != nil {
		return fmt.Errorf("after the release: %w", err)
	}
	release()
	return nil
}

// closeStopsNothing closes the lab; the machines must be there still.
func closeStopsNothing(ctx context.Context, l lab.Lab) error {
	before, err := bootIDs(ctx, l)
	if err != nil {
		return err
	}
	node, err := l.Node(ctx, l.Machines()[0].Name)
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	select {
	case <-node.Closed():
	case <-ctx.Done():
		return fmt.Errorf("a connection is still open")
	}
	after, err := bootIDs(ctx, l)
	if err == nil && !slices.Equal(before, after) {
		err = errors.New("machines were started anew")
	}
	return errors.Join(err, l.Close())
}

const bootID = "cat /proc/sys/kernel/random/boot_id"

func bootIDs(ctx context.Context, l lab.Lab) ([]string, error) {
	var ids []string
	err := onEach(l, func(m lab.Machine) error {
		id, err := output(ctx, l, m, bootID)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// onEach calls f for every machine, one after the other.
func onEach(l lab.Lab, f func(lab.Machine) error) error {
	var errs []error
	for _, m := range l.Machines() {
		if err := f(m); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

// output runs a command on a machine.
func output(ctx context.Context, l lab.Lab, m lab.Machine, command string) (string, error) {
	node, err := l.Node(ctx, m.Name)
	if err != nil {
		return "", err
	}
	out, err := node.Output(ctx, command)
	return strings.TrimSpace(out), err
}
