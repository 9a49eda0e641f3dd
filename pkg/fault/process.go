package fault

import (
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Process is a process of a machine. A pid can be used again, a pid with its start
// time cannot.
type Process struct {
	PID   int
	Start string // in clock ticks since boot (proc(5), field 22 of stat)
}

// ReadProcess reads when a process of a machine was started.
func ReadProcess(ctx context.Context, node *sshnode.Node, pid int) (Process, error) {
	out, err := node.Output(ctx, startTime(fmt.Sprint(pid)))
	start := strings.TrimSpace(out)
	if err == nil && start == "" {
		err = fmt.Errorf("it is gone")
	}
	if err != nil {
		return Process{}, fmt.Errorf("read the start time of process %d on %s: %w", pid, node.Name(), err)
	}
	return Process{PID: pid, Start: start}, nil
}

// EndProcesses ends processes of a machine from outside of it, with do; the effect
// proven is that none of them is there any more. There is no undo: whoever keeps
// them running starts others. The proof that this has happened is the caller's,
// in ProveUndone.
func EndProcesses(name, machine string, do func(ctx context.Context) error, list ...Process) Spec {
	var prove strings.Builder
	prove.WriteString("left=\n")
	for _, p := range list {
		fmt.Fprintf(&prove, "[ \"$(%s)\" != %s ] || left=\"$left %d\"\n", startTime(fmt.Sprint(p.PID)), sshnode.Quote(p.Start), p.PID)
	}
	fmt.Fprintf(&prove, "[ -z \"$left\" ] || { echo \"still there:$left\"; exit 1; }\necho \"%d processes have ended:%s\"\n", len(list), pids(list))
	return Spec{ID: NewID(), Name: name, Machine: machine, Do: do, Prove: prove.String()}
}

func pids(list []Process) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, " %d", p.PID)
	}
	return b.String()
}

// Kill is for EndProcesses: it sends SIGKILL to the processes.
func Kill(node func(ctx context.Context) (*sshnode.Node, error), list ...Process) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		n, err := node(ctx)
		if err != nil {
			return err
		}
		if _, err := n.Run(ctx, "kill -KILL"+pids(list)); err != nil {
			return fmt.Errorf("kill processes on %s: %w", n.Name(), err)
		}
		return nil
	}
}
