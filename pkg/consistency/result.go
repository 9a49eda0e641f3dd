package consistency

import (
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
)

// Verdict is what the check of a model says. Violated beats Unknown, and
// Unknown beats Holds.
type Verdict string

// The verdicts.
const (
	Holds    Verdict = "holds"    // every operation is allowed by the model
	Violated Verdict = "violated" // some are not: see the witness
	Unknown  Verdict = "unknown"  // not decided: too little recorded, out of time, or the checker broke
)

// Result is what the check of one model says about a history.
type Result struct {
	Model   string          // name of the model, one of the constants
	Verdict Verdict         //
	Witness []history.Op    // the two or three operations that prove a violation, in the order that explains it
	Words   string          // the same for a person, one sentence
	Figure  *outcome.Figure // staleness, or how long two held a lock; nil when there is none
	Checked int             // operations that the verdict rests on; 0 comes with Unknown
}

// Names of the models.
const (
	CloseToOpen    = "close-to-open"
	BoundedStale   = "bounded-staleness"
	MonotonicReads = "monotonic-reads"
	ReadYourWrites = "read-your-writes"
	Untorn         = "untorn"
	Durable        = "durable"
	AppendLog      = "append-log"
	Exclusion      = "mutual-exclusion"
	Linearizable   = "linearizable"
)
