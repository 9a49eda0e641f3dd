package proto

import "github.com/nfsim/nfsim/pkg/payload"

// The kinds of streams.
const (
	Appender = "appender" // appends numbered records to a log
	Writer   = "writer"   // rewrites a register with a fresh token each round
	Poller   = "poller"   // looks at a file again and again
	Tail     = "tail"     // reports what arrives in a log on the local disk
	Mounts   = "mounts"   // reports whether something is mounted on Path, in the mount namespace of PID, which it keeps alive as long as it runs
	Process  = "process"  // reports when process PID ends
	Name     = "name"     // reports whether Path exists on the local disk
)

// StreamSpec is what a stream does.
type StreamSpec struct {
	Kind string `json:"kind"`
	Path string `json:"path"`

	// IntervalUS is from the start of one round to the start of the next;
	// rounds that a slow call swallowed are not made up for. 0: no pause.
	IntervalUS int64 `json:"interval_us,omitempty"`
	DurationMS int64 `json:"duration_ms,omitempty"` // ends the stream; 0: never
	MaxRecords int64 `json:"max_records,omitempty"` // rounds until it ends; 0: no limit

	// HangMS is how long a call may take before an event says hung; 0 is
	// 2000. When the call returns its own event follows as usual.
	HangMS int64 `json:"hang_ms,omitempty"`

	// Client is the name in an appender's records and the beginning of a
	// writer's tokens (CLIENT-SEQ). A "*" at its end becomes eight random
	// hexadecimal digits at the start, so that a restarted container is told
	// from its predecessor.
	Client   string `json:"client,omitempty"`
	StartSeq int64  `json:"start_seq,omitempty"` // 0 is 1
	Size     int64  `json:"size,omitempty"`      // bytes of a record (64) or a register (8192)
	Sync     string `json:"sync,omitempty"`      // none, fsync, fdatasync, osync, close (appender: open, append, close each time)
	Lock     string `json:"lock,omitempty"`      // none, posix, flock: taken, waiting, around each round
	Mode     string `json:"mode,omitempty"`      // writer: trunc, inplace or rename; poller: see the Poll constants
	Direct   bool   `json:"direct,omitempty"`    // O_DIRECT
	NoCreate bool   `json:"no_create,omitempty"` // without O_CREAT: never makes a file where the mount should be

	// OnError is what follows a failed round: "stop"; "retry" with the same
	// descriptor, the default of a poller; "reopen", that of the others. Advance
	// goes on to the next sequence
	// number, otherwise the same is tried again. RetryMS is the pause, 0 is
	// 100.
	OnError string `json:"on_error,omitempty"`
	Advance bool   `json:"advance,omitempty"`
	RetryMS int64  `json:"retry_ms,omitempty"`

	WithSteps bool `json:"with_steps,omitempty"` // events of appender and writer carry Steps

	// ChangesOnly makes a poller report only what differs from the round
	// before; the rounds between are in Prev.
	ChangesOnly bool   `json:"changes_only,omitempty"`
	Decode      string `json:"decode,omitempty"` // poller: "register" (default), "log" or "none"
	Name        string `json:"name,omitempty"`   // poller, readdir: the name looked for

	// PID is the process of mounts and process, in the agent's PID namespace.
	PID int `json:"pid,omitempty"`

	// GapMS is how long a tail waits for a hole to be filled before it
	// reports it; 0 is 2000.
	GapMS int64 `json:"gap_ms,omitempty"`
}

// What a poller does each round.
const (
	PollStat    = "stat"         // stat(path)
	PollFstat   = "fstat_held"   // fstat of a descriptor that stays open
	PollHeldRO  = "read_held_ro" // pread of a descriptor that stays open, read-only
	PollHeldRW  = "read_held_rw" // the same, read-write
	PollReopen  = "reopen"       // open, read, close
	PollLookup  = "lookup"       // access(path, F_OK): only whether the name exists
	PollReaddir = "readdir"      // open the directory, list it, close; is Name there
	PollDirect  = "direct"       // pread of a descriptor that stays open with O_DIRECT
	PollLocked  = "locked"       // pread under a read lock (Lock: posix or flock) of a descriptor that stays open
)

// Event is one thing that a stream reports.
type Event struct {
	Stream string `json:"event"`
	N      uint64 `json:"n"`              // from 1 in each stream, without gaps
	Lost   uint64 `json:"lost,omitempty"` // events just before this one that were not kept

	T0    int64  `json:"t0"`              // invocation: just before the round's first call; tail: the look before, that did not show it
	T1    int64  `json:"t1,omitempty"`    // just after the round's last call, so acknowledged; tail: seen
	Errno string `json:"errno,omitempty"` // of the first call that failed
	Call  string `json:"call,omitempty"`  // that failed or hangs

	Client string `json:"client,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	Token  string `json:"token,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`

	// Hung: Call, begun at T0, has not returned yet.
	Hung  bool   `json:"hung,omitempty"`
	TID   int    `json:"tid,omitempty"`
	State string `json:"state,omitempty"`
	WChan string `json:"wchan,omitempty"`
	Stack string `json:"stack,omitempty"`

	Stat  *Stat          `json:"stat,omitempty"`
	Value *payload.Value `json:"value,omitempty"`
	Found *bool          `json:"found,omitempty"` // readdir: Name is there; mounts, process, name: it is there
	Count int64          `json:"count,omitempty"` // readdir: names; poller of a log: records so far
	Prev  *Run           `json:"prev,omitempty"`  // changes_only: the rounds that saw what was before

	Offset int64            `json:"offset,omitempty"` // tail: of the record or the gap
	Gap    payload.ItemKind `json:"gap,omitempty"`    // tail: what is there instead of a record, Bytes long
	Over   *payload.Record  `json:"over,omitempty"`   // tail: the record that was at Offset before
	Note   string           `json:"note,omitempty"`   // tail: "replaced", "truncated", "missing"

	Steps []Step     `json:"steps,omitempty"`
	End   *StreamEnd `json:"end,omitempty"` // the stream's last event, and nothing else in it
}

// Run is consecutive rounds of a poller that saw the same.
type Run struct {
	Count   int64 `json:"count"`
	FirstT0 int64 `json:"first_t0"`
	FirstT1 int64 `json:"first_t1"`
	LastT0  int64 `json:"last_t0"`
	LastT1  int64 `json:"last_t1"`
}

// StreamEnd is a stream's totals.
type StreamEnd struct {
	Stream string `json:"stream"`
	Kind   string `json:"kind"`
	Reason string `json:"reason"` // stopped, max_records, duration, error
	Client string `json:"client,omitempty"`
	Events uint64 `json:"events"` // reported, this one included

	OK       int64            `json:"ok"`     // rounds without an error (tail: records)
	Failed   int64            `json:"failed"` // rounds with one (tail: gaps)
	Hung     int64            `json:"hung,omitempty"`
	Errnos   map[string]int64 `json:"errnos,omitempty"`
	FirstSeq int64            `json:"first_seq,omitempty"` // first and last acknowledged
	LastSeq  int64            `json:"last_seq,omitempty"`
	T0       int64            `json:"t0"`             // the stream's start
	T1       int64            `json:"t1"`             // its end
	Last     *Run             `json:"last,omitempty"` // changes_only: the rounds since the last change
}

// StreamInfo is a stream that the agent knows of.
type StreamInfo struct {
	Stream string     `json:"stream"`
	Kind   string     `json:"kind"`
	Client string     `json:"client,omitempty"`
	Events uint64     `json:"events"` // so far
	Oldest uint64     `json:"oldest"` // number of the oldest event that is kept
	End    *StreamEnd `json:"end,omitempty"`
}
