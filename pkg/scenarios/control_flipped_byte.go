package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// flippedOffset is the place of the planted byte in the log: one of the dots of
// record controlSpoilt.
const flippedOffset = (controlSpoilt-1)*controlRecordSize + 50

// ControlFlippedByte is the control of the check for spoilt data.
func ControlFlippedByte(detector Detector) Scenario {
	return Scenario{
		Name: "control-flipped-byte", Family: FamilyNFS, Control: true, OneProfile: true, Estimate: 10 * time.Second,
		Doc:     "planted: one byte of an acknowledged record is flipped on the server's disk",
		Decides: "whether the durability check would notice; if it does not, the whole run is worthless",
		Drive: func(ctx context.Context, b *Batch) error {
			return b.spoilLog(ctx, "flip a byte on the server", func(path string) fault.Spec { return flipByte(b.server().Name, path, flippedOffset) })
		},
		Judge: plant{proven: provenFault("flip-byte"), caught: sawFlippedByte}.judgeWith(detector),
	}
}

// spoilLog appends to a log, spoils it on the server's disk for as long as it
// takes to read the truth, and puts it right again.
func (b *Batch) spoilLog(ctx context.Context, what string, spoil func(path string) fault.Spec) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "append, then "+what, func(ctx context.Context, c *Cell) error {
			path, err := b.appendToSpoil(ctx, c)
			if err != nil {
				return err
			}
			node, err := b.node(ctx, b.server())
			if err != nil {
				return err
			}
			heal, err := b.injectFor(ctx, []*Cell{c}, spoil(path))
			if err != nil {
				return err
			}
			truth := c.logTruth(ctx, node, path, logFile)
			if err := heal(ctx); err != nil {
				return err
			}
			return truth
		})
	})
}

// flipByte replaces one byte of a file, a dot in our records, by another, and
// puts it back.
func flipByte(machine, path string, offset int) fault.Spec {
	q := sshnode.Quote(path)
	poke := func(b byte) string {
		return fmt.Sprintf("[ -f %[1]s ] || exit 0\nprintf '%[2]c' | dd of=%[1]s bs=1 seek=%[3]d conv=notrunc status=none\n", q, b, offset)
	}
	peek := func(b byte) string {
		return fmt.Sprintf("have=$(dd if=%s bs=1 skip=%d count=1 status=none)\necho \"byte %d is '$have'\"\n[ \"$have\" = '%c' ] || exit 1\n", q, offset, offset, b)
	}
	return fault.Spec{
		Name: "flip-byte", Machine: machine,
		Inject: peek('.') + poke('#'), Undo: poke('.'),
		Prove: peek('#'), ProveUndone: peek('.'),
	}
}

// sawFlippedByte wants the one record that was spoilt, and nothing else, to be
// missed, and the bytes that nobody wrote to be where the byte was planted.
func sawFlippedByte(e *Evidence, seen Judgement) bool {
	corrupt := false
	for _, o := range seen.Outcomes {
		corrupt = corrupt || o.Word == outcome.Corrupt
	}
	for i := range e.Ops {
		op := &e.Ops[i]
		if op.Func != history.Truth || op.Kind == history.KindToken {
			continue
		}
		if flippedOffset < op.Offset || flippedOffset >= op.Offset+op.Size {
			return false
		}
	}
	return corrupt && witnessed(e, seen, controlSpoilt)
}

// witnessed says whether the one record that is missing is the one given, and a
// model saw that.
func witnessed(e *Evidence, seen Judgement, record int64) bool {
	lost := sortRecords(e.Ops).lost
	if len(lost) != 1 || lost[0].Seq != record {
		return false
	}
	for _, r := range seen.Models {
		if len(r.Witness) > 0 {
			return r.Witness[0].Func == history.Append && r.Witness[0].Seq == record
		}
	}
	return false
}
