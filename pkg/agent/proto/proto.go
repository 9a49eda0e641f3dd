// Package proto is what travels between nfsim and its helper on a node: one
// JSON object a line, requests one way, answers and events the other.
//
//	{"id":1,"op":"stat","path":"/mnt/a/f","timeout_ms":2000}
//	{"id":1,"t0":81230411,"t1":81230977,"errno":"ESTALE"}
//
// A request is answered exactly once, in the order in which the calls return.
// A call that does not return within its time is answered with "hung":true,
// and once more, with "late" in place of "id", when it returns after all.
//
//	{"id":2,"hung":true,"call":"open","t0":81230990,"tid":712,"stack":"[<0>] rpc_wait_bit_killable..."}
//	{"late":2,"t0":81230990,"t1":99126002,"fd":4}
//
// A stream goes on by itself and reports numbered events:
//
//	{"id":3,"op":"start","start":{"kind":"appender","path":"/mnt/a/log","client":"a","interval_us":10000}}
//	{"id":3,"stream":"s1"}
//	{"event":"s1","n":1,"t0":...,"t1":...,"seq":1}
//
// All times are CLOCK_MONOTONIC of the machine that the agent runs on, in
// nanoseconds.
package proto

// Version is the protocol's. An agent of another version is replaced.
const Version = 1

// MaxLine is the longest line either side accepts, in bytes, its newline
// included.
const MaxLine = 4 << 20

// RingSize is the number of events that a stream keeps for those who attach
// later.
const RingSize = 65536

// Limits of one request.
const (
	DefaultTimeoutMS = 30_000    // when a request has no timeout_ms
	MaxTimeoutMS     = 3_600_000 // an hour
	MaxData          = 2 << 20   // bytes that travel in one request or answer (base64 makes 2.7 MB of them)
	MaxRegister      = 64 << 20  // bytes that write_record and read_record handle on the node
	MaxPending       = 4096      // requests of one session without an answer
)
