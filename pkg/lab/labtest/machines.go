package labtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

func powerMissing(_ context.Context, l lab.Lab) error {
	if has[lab.Power](l) {
		return errors.New("it has power, and says why it has none")
	}
	if l.(lab.PowerMissing).NoPower() == "" {
		return errors.New("it says nothing")
	}
	return nil
}

// power resets a worker: that one starts anew and no other does.
func power(ctx context.Context, l lab.Lab) error {
	p := l.(lab.Power)
	if err := wantUsage("reset of "+nobody, p.Reset(ctx, nobody)); err != nil {
		return err
	}
	before, err := bootIDs(ctx, l)
	if err != nil {
		return err
	}
	victim := l.Machines()[1]
	// What a shutdown would flush and a lost cache loses.
	const left = "/root/nfsim-labtest"
	if _, err := output(ctx, l, victim, "echo x > "+left+" && sync -f "+left+" && echo y >> "+left); err != nil {
		return err
	}
	if err := p.Reset(ctx, victim.Name); err != nil {
		return err
	}
	after, err := bootIDs(ctx, l)
	if err != nil {
		return fmt.Errorf("after a reset of %s: %w", victim.Name, err)
	}
	for i, m := range l.Machines() {
		if same := before[i] == after[i]; same == (m.Name == victim.Name) {
			return fmt.Errorf("after a reset of %s: %s has boot id %s, before %s", victim.Name, m.Name, after[i], before[i])
		}
	}
	got, err := output(ctx, l, victim, "cat "+left+"; rm -f "+left)
	if err == nil && got != "x" {
		err = fmt.Errorf("%s was not reset but shut down: what was written without sync is there: %q", victim.Name, got)
	}
	return errors.Join(err, awaitNodes(ctx, l))
}

// closedTimeout bounds how long a closed connection may take to say so.
const closedTimeout = 5 * time.Second

// snapshots restores the lab: what was written after the snapshot is gone.
func snapshots(ctx context.Context, l lab.Lab) error {
	const mark = "/root/nfsim-labtest-mark"
	err := onEach(l, func(m lab.Machine) error {
		_, err := output(ctx, l, m, "touch "+mark+" && sync -f "+mark)
		return err
	})
	if err != nil {
		return err
	}
	old, err := l.Node(ctx, l.Machines()[0].Name)
	if err != nil {
		return err
	}
	if err := l.(lab.Snapshots).Restore(ctx); err != nil {
		return err
	}
	// A connection that was closed says so a moment later.
	closed, cancel := context.WithTimeout(ctx, closedTimeout)
	defer cancel()
	select {
	case <-old.Closed():
	case <-closed.Done():
		return errors.New("a connection to a machine of before the restore is still open")
	}
	err = onEach(l, func(m lab.Machine) error {
		_, err := output(ctx, l, m, "test ! -e "+mark)
		return err
	})
	return errors.Join(err, awaitNodes(ctx, l))
}
