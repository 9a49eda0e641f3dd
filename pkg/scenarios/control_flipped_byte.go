package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// controlRecords is how many records the control writes before one byte
	// of one of them is spoilt.
	controlRecords = 20
	// controlRecordSize is a record's size in bytes.
	controlRecordSize = 64
)

// ControlFlippedByte is the control of the durability check. The detector is
// the consistency model that must catch the planted byte; the list's is
// consistency.AppendLog, and with "" nothing looks.
func ControlFlippedByte(detector string) Scenario {
	return Scenario{
		Name: "control-flipped-byte", Family: FamilyNFS, Control: true, Estimate: 55 * time.Second,
		Doc:     "planted: one byte of an acknowledged record is flipped on the server's disk",
		Decides: "whether the durability check would notice; if it does not, the whole run is worthless",
		Drive:   driveFlippedByte,
		Judge: func(e *Evidence) Judgement {
			return judgeFlippedByte(e, detector)
		},
	}
}

func driveFlippedByte(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "append, then flip a byte on the server", func(ctx context.Context, c *Cell) error {
			const file = "log"
			writer := b.on(b.Target)
			f, err := c.append(ctx, writer.client, writer.machine, writer.machine, file, proto.StreamSpec{
				Path: c.mountPoint() + "/" + file, Client: writer.machine, Sync: "fsync", MaxRecords: controlRecords, OnError: "stop",
			})
			if err != nil {
				return err
			}
			stop := waiting(ctx)
			err = f.awaitSeq(ctx, "appends", controlRecords)
			stop()
			if err != nil {
				return err
			}
			node, err := b.node(ctx, b.server())
			if err != nil {
				return err
			}
			heal, err := b.injectFor(ctx, []*Cell{c}, flipByte(b.server().Name, c.Export.Path+"/"+file, controlRecords/2*controlRecordSize+50))
			if err != nil {
				return err
			}
			truth := c.logTruth(ctx, node, c.Export.Path+"/"+file, file)
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

// judgeFlippedByte runs the detector, the model named, on a trial with a
// planted fault. Without a detector nothing is caught: a test shows that.
func judgeFlippedByte(e *Evidence, detector string) Judgement {
	if o, ok := judgeFault(e, "flip-byte", "", 0); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	var j Judgement
	if detector != "" {
		j = judgeModels(e.Ops, detector)
	}
	for _, o := range j.Outcomes {
		j.Caught = j.Caught || o.Word == outcome.Corrupt
	}
	j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
	return j
}
