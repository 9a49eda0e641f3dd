package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// scriptTimeout bounds one script on the machine itself, so that a session
// that was given up leaves nothing running there.
const scriptTimeout = 90 * time.Second

// shell runs scripts on the machines of a lab; Untaint reaches the API server.
type shell struct{ Reach }

// unreachableError says that no connection to a machine was had, so that
// nothing was sent to it.
type unreachableError struct {
	machine string
	err     error
}

func (e *unreachableError) Error() string { return fmt.Sprintf("reach %s: %v", e.machine, e.err) }
func (e *unreachableError) Unwrap() error { return e.err }

// run runs one script as root and returns its standard output, trimmed.
func (s shell) run(ctx context.Context, machine, script string) (string, error) {
	node, err := s.Nodes(ctx, machine)
	if err != nil {
		return "", &unreachableError{machine, err}
	}
	cmd := fmt.Sprintf("timeout -k 5 %d sh -c %s", int(scriptTimeout.Seconds()), sshnode.Quote(script))
	res, err := node.Run(ctx, cmd)
	return strings.TrimSpace(string(res.Stdout)), err
}

// awaitSeen looks until there is no error or ctx ends, and returns what was seen
// last.
func awaitSeen(ctx context.Context, seen func(ctx context.Context) (string, error)) (string, error) {
	for {
		begin := time.Now()
		evidence, err := seen(ctx)
		if err == nil || !pause(ctx, time.Since(begin)) {
			return evidence, err
		}
	}
}

// await runs a script until it exits 0 or ctx ends, and returns what it
// printed last. A machine that cannot be reached may come back: only ctx ends
// the wait. The error is why the last complete attempt failed.
func (s shell) await(ctx context.Context, machine, script string) (string, error) {
	var evidence string
	var last error
	for {
		begin := time.Now()
		out, err := s.run(ctx, machine, script)
		if err == nil {
			return out, nil
		}
		var exit *sshnode.ExitError
		if errors.As(err, &exit) || last == nil {
			evidence, last = out, err
		}
		if !pause(ctx, time.Since(begin)) {
			return evidence, last
		}
	}
}

// pause waits before the next look at something that is awaited, and reports
// whether ctx goes on. It is longer the longer the last look took, so that looks
// have at most a third of a slow machine, which has to do what is awaited.
func pause(ctx context.Context, took time.Duration) bool {
	return mono.Sleep(ctx, max(pollEvery, 2*took)) == nil
}
