package fault

// Record is what happened with one fault, for the run directory. Times are
// nanoseconds on the controller's CLOCK_MONOTONIC; 0 means that the moment
// never came.
type Record struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Machine     string `json:"machine"`
	Undo        string `json:"undo,omitempty"`
	Unit        string `json:"unit,omitempty"`          // timer on the machine, without ".timer"
	InjectStart int64  `json:"inject_start_ns"`         // before the inject command was sent
	InjectEnd   int64  `json:"inject_end_ns"`           // after it had answered
	ProvenAt    int64  `json:"proven_at_ns"`            // when the first proof that held had answered
	HealStart   int64  `json:"heal_start_ns"`           // before the undo was sent
	HealedAt    int64  `json:"healed_at_ns"`            // when the proof of the undo had answered
	Proven      bool   `json:"proven"`                  // the effect was seen
	Proof       string `json:"proof,omitempty"`         // what Prove printed
	ProofUndone string `json:"proof_undone,omitempty"`  // what ProveUndone printed
	FiredByNode bool   `json:"fired_by_node,omitempty"` // the dead-man's switch fired before Heal: the fault was shorter than planned
	Error       string `json:"error,omitempty"`
}
