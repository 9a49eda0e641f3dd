package scenarios

import (
	"context"
	"errors"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// missedFault is the fault that control-no-fault claims and does not do.
const missedFault = "flip-byte"

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
			_, err = b.injectFor(ctx, []*Cell{c}, missAim(b.server().Name, path))
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

// missAim flips a byte in a copy of the file, and asks for the proof in the
// file itself.
func missAim(machine, path string) fault.Spec {
	aim, other := flipByte(machine, path, flippedOffset), flipByte(machine, path+".other", flippedOffset)
	return fault.Spec{
		Name: missedFault, Machine: machine, ProveWithin: 5 * time.Second,
		Inject: "cp " + path + " " + path + ".other\n" + other.Inject, Undo: other.Undo,
		Prove: aim.Prove, ProveUndone: other.ProveUndone,
	}
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
