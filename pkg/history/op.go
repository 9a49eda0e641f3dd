// Package history holds the operations of a trial: what every client asked
// for, when, and what it was told. A history is a file of JSON lines.
//
//	rec, err := history.NewRecorder("history.jsonl")
//	err = rec.Add(history.Op{Client: "worker1", Func: history.Write, File: "a", Value: token, ...})
//	ops, rep, err := history.LoadFile("history.jsonl")
package history

import "math"

// Op is one operation. Times are nanoseconds on the controller's monotonic
// clock.
//
// Two intervals are kept. Invoke..Return is taken by the client next to the
// system call and mapped to the controller's clock; each end may be wrong by
// ErrNS. OuterInvoke..OuterReturn is taken by the controller before it sent the
// request and after it received the answer; it is wider, but never wrong.
// Verdicts rest on the wide interval (see Wide), figures on the mapped one.
type Op struct {
	Client string `json:"client"`         // the NFS client: one per machine or mount whose caches are its own; "disk" and "wire" for those vantage points
	Lane   string `json:"lane,omitempty"` // thread of control in the client; operations of one lane never overlap
	Func   string `json:"func"`           // one of the constants of Func
	File   string `json:"file"`           // path below the export, the same for all clients
	Mode   string `json:"mode,omitempty"` // reader or writer mode, one of the constants of Mode, "" for a plain call

	Value string `json:"value,omitempty"` // token written, or decoded from what was read
	Kind  string `json:"kind,omitempty"`  // what a read decoded to; "" is KindToken when there is a Value
	Seq   int64  `json:"seq,omitempty"`   // sequence number of a record; for truth of a log, its place from 0

	Offset int64 `json:"offset,omitempty"` // bytes
	Size   int64 `json:"size,omitempty"`   // bytes moved; for stat, the size of the file
	Mtime  int64 `json:"mtime,omitempty"`  // ns since 1970 as the server says
	Ino    int64 `json:"ino,omitempty"`

	Invoke      int64 `json:"invoke"`                 // ns, mapped
	Return      int64 `json:"return,omitempty"`       // ns, mapped; 0 when there was no answer
	ErrNS       int64 `json:"err_ns,omitempty"`       // ns, bound of the error of the mapping
	OuterInvoke int64 `json:"outer_invoke,omitempty"` // ns, before sending; 0 when the client ran it by itself
	OuterReturn int64 `json:"outer_return,omitempty"` // ns, after receiving; 0 when the client ran it by itself

	Result string `json:"result"`          // ok, fail (did not happen) or unknown (may have happened)
	Errno  string `json:"errno,omitempty"` // name of the error, as in "ESTALE"
}

// Results of an operation.
const (
	OK      = "ok"      // it happened
	Fail    = "fail"    // it did not happen
	Unknown = "unknown" // no answer, or one that does not tell: it may or may not have happened
)

// Clients that are not NFS clients of the kernel.
const (
	ClientDisk = "disk" // the server's own disk
	ClientWire = "wire" // the cache-free observer
)

// Functions of an operation.
const (
	Open     = "open"
	Read     = "read"
	Write    = "write"  // replaces the version of a register file
	Append   = "append" // adds a record to a log file; a file with appends is a log
	Fsync    = "fsync"
	Close    = "close"
	Truncate = "truncate"
	Stat     = "stat"
	Readdir  = "readdir"
	Create   = "create" // may leave an empty file where there was none
	Unlink   = "unlink"
	Rename   = "rename" // File is the target, Value the token that it brings
	Lock     = "lock"
	Unlock   = "unlock"
	Truth    = "truth" // what is on disk at the end: one for a register, one a record for a log
)

// Modes of readers and writers. Those marked with "whole" are one operation
// that opens, acts and closes: its Invoke is that of the open, its Return that
// of the close.
const (
	ModeHeldRO = "held-ro" // on a descriptor held open read-only
	ModeHeldRW = "held-rw" // on a descriptor held open read-write
	ModeReopen = "reopen"  // whole: open, read, close
	ModeLookup = "lookup"  // whole: looked up again after a rename, then as reopen
	ModeLocked = "locked"  // whole: under a lock
	ModeDirect = "direct"  // O_DIRECT; a direct write is on the server when it returns

	ModeClose     = "close"     // whole: open, write, close
	ModeFsync     = "fsync"     // write, then fsync in the same operation
	ModeOSync     = "osync"     // O_SYNC: on the server when it returns
	ModeUnflushed = "unflushed" // write alone: on the server after a later fsync or close of the lane
	ModeShared    = "shared"    // of a lock: shared (read) lock
	ModeWaiting   = "waiting"   // of a lock: asked for once, and waited for in the kernel
	ModeRetried   = "retried"   // of a lock: asked for again and again, from the first time on
	ModeTrunc     = "trunc"     // of an open: O_TRUNC
)

// Kinds of what a read decoded to.
const (
	KindToken   = "TOKEN"   // a whole, valid payload; Value is its token
	KindEmpty   = "EMPTY"   // no bytes
	KindTorn    = "TORN"    // parts of several payloads; Value names them, separated by commas
	KindPartial = "PARTIAL" // truth of a log: it ends in the beginning of a record
	KindNUL     = "NUL"     // zero bytes where data should be
	KindGarbage = "GARBAGE" // bytes that no writer wrote
	KindAbsent  = "ENOENT"  // no such file
)

// Wide returns the interval in which the operation surely took place, in ns:
// the controller's own when it has one, else the mapped one widened by its
// error bound. An operation without an answer ends at Forever.
func (o *Op) Wide() (invoke, ret int64) {
	invoke, ret = o.OuterInvoke, o.OuterReturn
	if invoke == 0 {
		invoke = o.Invoke - o.ErrNS
	}
	if ret == 0 {
		ret = o.Return + o.ErrNS
	}
	if o.Return == 0 && o.OuterReturn == 0 {
		ret = Forever
	}
	return invoke, ret
}

// Forever is the return time of an operation that never returned, in ns.
const Forever = math.MaxInt64

// Session names the lane of the client: the unit for which session guarantees
// (monotonic reads, read your writes) are given.
func (o *Op) Session() string { return o.Client + "/" + o.Lane }
