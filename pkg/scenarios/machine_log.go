package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

// machineLogTimeout bounds reading one log of a machine.
const machineLogTimeout = time.Minute

// machineLog is something of a machine that is kept for a person: no judge
// reads it, and times in it are the machine's own.
type machineLog struct{ name, command string }

// kernelLog is the end of the kernel's messages.
func kernelLog() machineLog { return machineLog{"kernel", "dmesg | tail -n 200"} }

// nfsdStates are the opens, locks and delegations of every NFSv4 client that the
// server knows (fs/nfsd/nfs4state.c client_states_show), and all its locks.
func nfsdStates() machineLog {
	return machineLog{"nfsd-states", `for c in /proc/fs/nfsd/clients/*/; do cat "$c/info" "$c/states" 2>/dev/null; done; cat /proc/locks`}
}

// keep writes a log of a machine to every cell's logs.
func (b *Batch) keep(ctx context.Context, m lab.Machine, log machineLog, when string) error {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, machineLogTimeout)
	defer cancel()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	text, err := node.Output(ctx, log.command)
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", log.name, m.Name, err)
	}
	return b.keepText(m, log.name, when, text)
}

// keepText writes what was read of a machine to every cell's logs.
func (b *Batch) keepText(m lab.Machine, name, when, text string) error {
	for _, c := range b.Cells {
		w, err := c.Trial.Log(fmt.Sprintf("%s-%s-%s.txt", name, m.Name, when))
		if err != nil {
			return err
		}
		_, err = w.Write([]byte(text + "\n"))
		if err := errors.Join(err, w.Close()); err != nil {
			return fmt.Errorf("keep %s of %s: %w", name, m.Name, err)
		}
	}
	return nil
}
