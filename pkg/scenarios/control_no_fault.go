package scenarios

import (
	"context"
	"errors"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// missedFault is the fault that control-no-fault claims and does not do.
const missedFault = "flip-byte"

// missedWithin is how long the proof is waited for: long enough for what hits
// another file to be done on a busy emulated machine.
const missedWithin = 10 * time.Second

// ByFaultProof is the detector of trials whose fault never took effect.
func ByFaultProof(e *Evidence) Judgement {
	if o, ok := judgeFault(e, missedFault, "", 0); !ok {
		return Judgement{Outcomes: []outcome.Outcome{o}}
	}
	return Judgement{}
}

// ControlNoFault is the control of the check that a fault took effect.
func ControlNoFault(detector Detector) Scenario {
	return Scenario{
		Name: "control-no-fault", Family: FamilyNFS, Control: true, OneProfile: true, Estimate: 12 * time.Second,
		Doc:     "planted: the fault hits something else than what it was aimed at",
		Decides: "whether the trial would be taken for one with a fault",
		Drive:   driveNoFault,
		Judge:   plant{proven: faultMissed, caught: sawNoFault}.judgeWith(detector),
	}
}

func driveNoFault(ctx context.Context, b *Batch) error {
	return b.withMounts(ctx, func(ctx context.Context) error {
		return b.each(ctx, "append, then spoil another file", func(ctx context.Context, c *Cell) error {
			path, err := b.appendToSpoil(ctx, c)
			if err != nil {
				return err
			}
			node, err := b.node(ctx, b.server())
			if err != nil {
				return err
			}
			other := path + ".other"
			if _, err := node.Run(ctx, "cp "+sshnode.Quote(path, other)); err != nil {
				return err
			}
			_, err = b.injectFor(ctx, []*Cell{c}, missAim(b.server().Name, path, other))
			var missed *fault.NotProvenError
			if !errors.As(err, &missed) {
				return errors.Join(errors.New("a fault that missed its aim was taken for proven"), err)
			}
			if missed.Undo != nil {
				return missed.Undo
			}
			return c.logTruth(ctx, node, path, logFile)
		})
	})
}

// missAim flips a byte in another file, and asks for the proof in the one that
// was aimed at.
func missAim(machine, aim, other string) fault.Spec {
	spec := flipByte(machine, other, flippedOffset)
	spec.Name, spec.Prove = missedFault, flipByte(machine, aim, flippedOffset).Prove
	spec.ProveWithin = missedWithin
	return spec
}

// faultMissed wants the record of a fault that was tried.
func faultMissed(e *Evidence) string {
	f, ok := e.fault(missedFault)
	if !ok || f.Error == "" {
		return "no fault was tried"
	}
	return ""
}

// sawNoFault wants the one word that makes a trial worthless.
func sawNoFault(_ *Evidence, seen Judgement) bool {
	return len(seen.Outcomes) == 1 && seen.Outcomes[0].Word == outcome.NoFault
}
