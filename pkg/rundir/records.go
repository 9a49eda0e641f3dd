package rundir

// FaultRecord is one line of faults.jsonl: a fault, its undo and its proof.
// Times are ns on the controller's monotonic clock, 0 for "never".
type FaultRecord struct {
	Name       string `json:"name"`
	Machine    string `json:"machine"`
	Undo       string `json:"undo,omitempty"`
	InjectedAt int64  `json:"injected_at,omitempty"`
	ProvenAt   int64  `json:"proven_at,omitempty"`
	HealedAt   int64  `json:"healed_at,omitempty"`
	Proof      string `json:"proof,omitempty"` // what was seen that proves the effect
	Proven     bool   `json:"proven"`
	Error      string `json:"error,omitempty"`
}

// Observation is one line of observations.jsonl: something that a vantage
// point saw happen.
type Observation struct {
	T       int64  `json:"t"`                 // ns, controller's monotonic clock
	Source  string `json:"source"`            // vantage point: pod, client2, wire, disk, api, node
	Event   string `json:"event"`             // as in "record-arrived", "condition", "mount-gone"
	Subject string `json:"subject,omitempty"` // what it happened to: a pod, a node, a path
	Detail  string `json:"detail,omitempty"`
	Value   string `json:"value,omitempty"`
}
