package labtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

// consoleTimeout bounds a line's way from a machine to the end of its console.
const consoleTimeout = 30 * time.Second

// console looks whether each machine's console is its own and shows what came
// last: a machine that was restored has said nothing before.
func console(ctx context.Context, l lab.Lab) error {
	c := l.(lab.Console)
	err := onEach(l, func(m lab.Machine) error {
		mark := "nfsim-labtest " + m.Name
		if _, err := output(ctx, l, m, "echo "+mark+" > /dev/console"); err != nil {
			return err
		}
		return awaitConsole(ctx, c, m.Name, mark)
	})
	if err != nil {
		return err
	}
	_, err = c.ConsoleTail(nobody, 1)
	return wantUsage("console of "+nobody, err)
}

func awaitConsole(ctx context.Context, c lab.Console, machine, mark string) error {
	const most = 200
	ctx, cancel := context.WithTimeout(ctx, consoleTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := c.ConsoleTail(machine, most)
		switch {
		case err != nil:
			return err
		case len(b) > most:
			return fmt.Errorf("%d bytes of the console, want %d at most", len(b), most)
		case strings.Contains(string(b), mark):
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("what was written to /dev/console does not show within %s; the console ends in %q", consoleTimeout, b)
		case <-tick.C:
		}
	}
}
