package scenarios

import (
	"context"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// Detector is what a control puts to the test: the part of a judge that must
// see what was planted. A nil detector sees nothing; tests show that the
// control is red then.
type Detector func(e *Evidence) Judgement

// ByModels is the detector that checks the history against models.
func ByModels(names ...string) Detector {
	return func(e *Evidence) Judgement { return judgeModels(e.Ops, names...) }
}

// ByLedger is the detector of what is left behind.
func ByLedger(e *Evidence) Judgement { return Judgement{Outcomes: judgeLedger(e)} }

// plant is what a control planted, as its judge knows it.
type plant struct {
	// proven says why the plant may not be there; "" when it surely is.
	proven func(e *Evidence) string
	// caught says whether what the detector saw is what was planted, and nothing
	// else.
	caught func(e *Evidence, seen Judgement) bool
	// left says that the plant itself is left behind for the ledger to see.
	left bool
}

// judgeWith puts the detector to the test.
func (p plant) judgeWith(detector Detector) func(e *Evidence) Judgement {
	return func(e *Evidence) Judgement {
		if why := p.proven(e); why != "" {
			return Judgement{Outcomes: []outcome.Outcome{outcome.New(outcome.NoFault, "%s", why)}}
		}
		var j Judgement
		if detector != nil {
			j = detector(e)
		}
		j.Caught = p.caught(e, j)
		if !p.left {
			j.Outcomes = append(j.Outcomes, judgeLedger(e)...)
		}
		return j
	}
}

// provenFault asks for a proven fault of the name.
func provenFault(name string) func(e *Evidence) string {
	return func(e *Evidence) string {
		if o, ok := judgeFault(e, name, "", 0); !ok {
			return o.Evidence
		}
		return ""
	}
}

// controlTimeout bounds what a control waits for on two mounts.
const controlTimeout = 60 * time.Second

const (
	// controlRecords is how many records a control writes before one of them is
	// spoilt, and controlSpoilt the number of that one.
	controlRecords = 20
	controlSpoilt  = 11
	// controlRecordSize is a record's size in bytes.
	controlRecordSize = 64
)

// appendToSpoil appends records to a log, each with an fsync, and returns the
// log's path on the server's disk.
func (b *Batch) appendToSpoil(ctx context.Context, c *Cell) (path string, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	writer := b.on(b.Target)
	f, err := c.append(ctx, writer.client, writer.machine, writer.machine, logFile, proto.StreamSpec{
		Path: c.mountPoint() + "/" + logFile, Client: writer.machine, Sync: "fsync", MaxRecords: controlRecords, OnError: "stop",
	})
	if err != nil {
		return "", err
	}
	defer waiting(ctx)()
	return c.Export.Path + "/" + logFile, f.awaitSeq(ctx, "appends", controlRecords)
}

// mountPlanted makes the batch mount with options of the control's own,
// whatever the cells' profiles say.
func (b *Batch) mountPlanted(options string) {
	for _, c := range b.Cells {
		c.Profile.Options = options
		c.Trial.Update(func(m *rundir.TrialMeta) { m.Asked = options })
	}
}
