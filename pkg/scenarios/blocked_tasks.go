package scenarios

import (
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// eventBlockedTask is a task in uninterruptible sleep, as found when one looked:
// Subject is its command, Detail where in the kernel it waits, Value its ids.
const eventBlockedTask = "blocked-task"

// blockedScript prints "command<TAB>pid/tid<TAB>innermost function < its caller
// < ..." for every task in state D (proc(5): uninterruptible disk sleep, which
// a hard NFS mount without a server is).
const blockedScript = `
grep -lE '^[0-9]+ \(.*\) D ' /proc/[0-9]*/task/[0-9]*/stat 2>/dev/null | while read -r s; do
  task=${s%/stat}
  pid=${s#/proc/}
  stack=$(sed -e 's/^\[<0>\] //' -e 's/+0x.*//' "$task/stack" 2>/dev/null | head -n 6 | tr '\n' '<')
  printf '%s\t%s/%s\t%s\n' "$(cat "$task/comm" 2>/dev/null)" "${pid%%/*}" "${task##*/}" "$stack"
done
true
`

// noteBlocked looks once for tasks in uninterruptible sleep on a machine and
// notes them in every cell. It reads only /proc, which never waits for them.
func (b *Batch) noteBlocked(ctx context.Context, m lab.Machine) error {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, machineLogTimeout)
	defer cancel()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	text, err := node.Output(ctx, blockedScript)
	if err != nil {
		return fmt.Errorf("look for blocked tasks on %s: %w", m.Name, err)
	}
	for _, task := range parseBlocked(text) {
		for _, c := range b.Cells {
			c.observe("", task.observation())
		}
	}
	return nil
}

// blockedTask is one task in uninterruptible sleep.
type blockedTask struct{ comm, ids, stack string }

// parseBlocked reads what blockedScript printed. A line that is none is passed
// over: tasks end while they are looked at.
func parseBlocked(text string) []blockedTask {
	var out []blockedTask
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) != 3 || fields[0] == "" {
			continue
		}
		out = append(out, blockedTask{fields[0], fields[1], strings.ReplaceAll(strings.TrimRight(fields[2], "<"), "<", " < ")})
	}
	return out
}

func (t blockedTask) observation() rundir.Observation {
	return rundir.Observation{T: agent.Mono(), Source: "node", Event: eventBlockedTask, Subject: t.comm, Detail: t.stack, Value: t.ids}
}

// blockedNote says which commands were found in uninterruptible sleep, "" when
// none was.
func blockedNote(e *Evidence) string {
	var names []string
	counts := map[string]int{}
	for _, o := range e.Observations {
		if o.Event != eventBlockedTask {
			continue
		}
		if counts[o.Subject] == 0 {
			names = append(names, o.Subject)
		}
		counts[o.Subject]++
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d of %s", counts[name], name)
	}
	if len(names) == 0 {
		return ""
	}
	return "tasks in uninterruptible sleep while the server was away: " + strings.Join(names, ", ")
}
