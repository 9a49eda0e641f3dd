package proto

// Op is what a request asks for.
type Op string

// The operations. Those that name a file take Path, or FD where it says so.
const (
	OpOpen      Op = "open"      // Path, Flags, Mode; answers FD
	OpClose     Op = "close"     // FD
	OpRead      Op = "read"      // FD, Offset, Size (at most MaxData): one pread; answers N, Data, and Value when Decode is "register"
	OpWrite     Op = "write"     // FD, Offset, and Data, or Token, Seq, Size for a register: one pwrite; answers N
	OpFsync     Op = "fsync"     // FD
	OpFdatasync Op = "fdatasync" // FD
	OpTruncate  Op = "truncate"  // Path or FD, Size
	OpStat      Op = "stat"      // Path; answers Stat
	OpLstat     Op = "lstat"     // Path; answers Stat
	OpFstat     Op = "fstat"     // FD; answers Stat
	OpAccess    Op = "access"    // Path: does the name exist
	OpReaddir   Op = "readdir"   // Path; answers Names, sorted
	OpRename    Op = "rename"    // Path, To
	OpUnlink    Op = "unlink"    // Path
	OpMkdir     Op = "mkdir"     // Path, Mode
	OpRmdir     Op = "rmdir"     // Path
	OpStatfs    Op = "statfs"    // Path; answers Statfs
	OpLock      Op = "lock"      // FD, Lock

	OpMap   Op = "map"   // FD, Offset, Size, Flags ("rdwr" to store): a shared mapping; answers Map
	OpStore Op = "store" // Map, Offset, and Data, or Token, Seq, Size for a register; EFAULT is what a program sees as SIGBUS
	OpLoad  Op = "load"  // Map, Offset, Size; answers Data, or Value when Decode is "register"
	OpMsync Op = "msync" // Map: msync(MS_SYNC)
	OpUnmap Op = "unmap" // Map

	OpWriteRecord Op = "write_record" // Path with Flags and Mode, or FD; Token, Seq, Size; Fsync, Close: all in one request; answers Steps
	OpReadRecord  Op = "read_record"  // Path with Flags, or FD: open, read all, and with Close close; answers Value, Steps, and Stat with WithStat; FD when it stays open
	OpReadFile    Op = "readfile"     // Path: the whole file; answers Size, SHA256; Value or Log by Decode; Data of the first Limit bytes

	OpMono      Op = "mono"      // T0: when the request was read, T1: when the answer was made
	OpInfo      Op = "info"      // answers Info
	OpMountinfo Op = "mountinfo" // PID, 0 for the agent's own; answers Text, at most MaxData bytes
	OpNop       Op = "nop"       // nothing; with a Lane it returns when all before it in the lane have
	OpExit      Op = "exit"      // ends the agent with status Code; no answer

	OpStart   Op = "start"   // Start, and Stream for an id of one's own; answers Stream; its events follow
	OpStop    Op = "stop"    // Stream; answers End when the stream's last call has returned
	OpAttach  Op = "attach"  // Stream, From; the events kept from number From on follow, then the new ones
	OpDetach  Op = "detach"  // Stream: no more of its events in this session
	OpStreams Op = "streams" // answers Streams
)

// Flag is an open(2) flag, in lower case and without O_.
type Flag string

// The flags. One of rdonly (the default), wronly, rdwr; O_CLOEXEC is always
// set.
const (
	RDONLY    Flag = "rdonly"
	WRONLY    Flag = "wronly"
	RDWR      Flag = "rdwr"
	CREAT     Flag = "creat"
	EXCL      Flag = "excl"
	TRUNC     Flag = "trunc"
	APPEND    Flag = "append"
	SYNC      Flag = "sync"
	DSYNC     Flag = "dsync"
	DIRECT    Flag = "direct"
	DIRECTORY Flag = "directory"
	NONBLOCK  Flag = "nonblock"
	NOFOLLOW  Flag = "nofollow"
)

// Request is one line to the agent.
type Request struct {
	ID int64 `json:"id"` // chosen by the sender, unique in the session
	Op Op    `json:"op"`

	// Lane orders requests: those with the same lane run one after the other
	// in one thread, all others at once. Empty: no lane.
	Lane string `json:"lane,omitempty"`

	// TimeoutMS is how long the calls may take before the answer says hung;
	// 0 is DefaultTimeoutMS. Waiting for the lane counts.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`

	Path  string `json:"path,omitempty"`
	To    string `json:"to,omitempty"`
	FD    int64  `json:"fd,omitempty"`  // the agent's number of an open file, from 1, never used twice
	Map   int64  `json:"map,omitempty"` // the agent's number of a mapping, likewise
	Flags []Flag `json:"flags,omitempty"`
	Mode  uint32 `json:"mode,omitempty"` // permission bits; 0 is 0666 for files and 0777 for directories; the umask is 0

	Offset int64  `json:"offset,omitempty"` // bytes
	Size   int64  `json:"size,omitempty"`   // bytes
	Data   []byte `json:"data,omitempty"`   // base64
	Token  string `json:"token,omitempty"`  // of a register
	Seq    int64  `json:"seq,omitempty"`
	Fsync  bool   `json:"fsync,omitempty"`
	Close  bool   `json:"close,omitempty"`

	// WithStat makes write_record and read_record do an fstat before close.
	WithStat bool `json:"with_stat,omitempty"`

	// Decode says what the bytes read are taken for: "register", "log" (only
	// readfile), or empty: not decoded. read_record always takes "register".
	Decode string `json:"decode,omitempty"`

	Limit int64 `json:"limit,omitempty"`
	Lock  *Lock `json:"lock,omitempty"`
	PID   int   `json:"pid,omitempty"`
	Code  int   `json:"code,omitempty"`

	Stream string      `json:"stream,omitempty"`
	From   uint64      `json:"from,omitempty"` // number of the first event wanted; 0: all that are kept
	Start  *StreamSpec `json:"start,omitempty"`
}

// Lock is one lock operation on bytes Start to Start+Len; Len 0 is to the end
// of the file, however it grows.
//
// All files that one agent has open share its POSIX locks, as in any process:
// closing any descriptor of a file drops them all. OFD locks have no such
// trap.
type Lock struct {
	Kind  string `json:"kind"` // "posix", "ofd" or "flock" (the whole file)
	Type  string `json:"type"` // "read", "write" or "unlock"
	Wait  bool   `json:"wait,omitempty"`
	Start int64  `json:"start,omitempty"`
	Len   int64  `json:"len,omitempty"`
}
