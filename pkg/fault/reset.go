package fault

import (
	"context"
	"fmt"
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Reset cuts a machine's power and gives it back, through the provider's
// lab.Power. The machine's boot id is read now, and the effect proven is that
// it became another one. There is no undo: the machine boots by itself.
func Reset(ctx context.Context, node *sshnode.Node, machine string, reset func(ctx context.Context, machine string) error) (Spec, error) {
	res, err := node.Run(ctx, "cat /proc/sys/kernel/random/boot_id")
	if err != nil {
		return Spec{}, fmt.Errorf("read the boot id of %s: %w", machine, err)
	}
	before := strings.TrimSpace(string(res.Stdout))
	return Spec{
		ID: NewID(), Name: "reset", Machine: machine,
		Do: func(ctx context.Context) error { return reset(ctx, machine) },
		Prove: fmt.Sprintf("now=$(cat /proc/sys/kernel/random/boot_id)\necho \"boot id $now, before %s\"\n[ \"$now\" != %s ]\n",
			before, sshnode.Quote(before)),
		ProveWithin: DefaultDeadman, // a boot under TCG takes minutes
	}, nil
}
