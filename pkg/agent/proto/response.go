package proto

import "github.com/nfsim/nfsim/pkg/payload"

// Response is the answer to one request. Errno is the failure of a system
// call and a result like any other; Error says that the request made no sense
// and that nothing was done.
type Response struct {
	ID   int64 `json:"id,omitempty"`
	Late int64 `json:"late,omitempty"` // instead of ID: the request that was answered as hung before

	T0    int64  `json:"t0,omitempty"` // just before the (first) system call
	T1    int64  `json:"t1,omitempty"` // just after the (last) system call
	Errno string `json:"errno,omitempty"`
	Call  string `json:"call,omitempty"` // that failed or hangs
	Error string `json:"error,omitempty"`

	// Hung: the calls have not returned in time; whether they take effect is
	// unknown. Queued: not even begun, a request before it in the lane hangs;
	// it will run when that returns.
	Hung   bool   `json:"hung,omitempty"`
	Queued bool   `json:"queued,omitempty"`
	TID    int    `json:"tid,omitempty"`   // the hanging thread, in the agent's PID namespace
	State  string `json:"state,omitempty"` // its state letter in /proc, such as D
	WChan  string `json:"wchan,omitempty"`
	Stack  string `json:"stack,omitempty"` // kernel stack; needs CAP_SYS_ADMIN

	FD     int64               `json:"fd,omitempty"`
	Map    int64               `json:"map,omitempty"`
	N      int64               `json:"n,omitempty"` // bytes moved
	Size   int64               `json:"size,omitempty"`
	Data   []byte              `json:"data,omitempty"`
	SHA256 string              `json:"sha256,omitempty"`
	Value  *payload.Value      `json:"value,omitempty"`
	Log    *payload.LogSummary `json:"log,omitempty"`
	Stat   *Stat               `json:"stat,omitempty"`
	Statfs *Statfs             `json:"statfs,omitempty"`
	Names  []string            `json:"names,omitempty"`
	Cut    bool                `json:"cut,omitempty"` // Names, Text or Data had more than fits
	Text   string              `json:"text,omitempty"`
	Info   *Info               `json:"info,omitempty"`
	Steps  []Step              `json:"steps,omitempty"`

	Stream  string       `json:"stream,omitempty"`
	End     *StreamEnd   `json:"end,omitempty"`
	Streams []StreamInfo `json:"streams,omitempty"`
}

// OK says whether everything that was asked for was done.
func (r Response) OK() bool { return r.Errno == "" && r.Error == "" && !r.Hung }

// ShortWrite is in Errno when a write moved fewer bytes than it was given. It
// is no errno of the kernel's.
const ShortWrite = "SHORT_WRITE"

// Step is one system call of a composed request. Reads of one file are one
// step, from the first call's start to the last one's return.
type Step struct {
	Call  string `json:"call"`
	T0    int64  `json:"t0"`
	T1    int64  `json:"t1"`
	Errno string `json:"errno,omitempty"`
	N     int64  `json:"n,omitempty"` // bytes moved
}

// Stat is what stat(2) says of a file.
type Stat struct {
	Dev     uint64 `json:"dev"`
	Ino     uint64 `json:"ino"`
	Mode    uint32 `json:"mode"` // st_mode, the type's bits included
	Nlink   uint64 `json:"nlink"`
	UID     uint32 `json:"uid,omitempty"`
	GID     uint32 `json:"gid,omitempty"`
	Size    int64  `json:"size"`     // bytes
	MtimeNS int64  `json:"mtime_ns"` // since 1970, on the clock of who set it
	CtimeNS int64  `json:"ctime_ns"`
}

// Statfs is what statfs(2) says of a file system.
type Statfs struct {
	Type   int64  `json:"type"` // magic number; NFS is 0x6969
	Bsize  int64  `json:"bsize"`
	Blocks uint64 `json:"blocks"`
	Bfree  uint64 `json:"bfree"`
	Files  uint64 `json:"files"`
	Ffree  uint64 `json:"ffree"`
}

// Info is who the agent is and where.
type Info struct {
	Version  int    `json:"version"` // of the protocol
	Build    string `json:"build,omitempty"`
	Arch     string `json:"arch"` // GOARCH
	PID      int    `json:"pid"`
	UID      int    `json:"uid"`
	Hostname string `json:"hostname"`
	BootID   string `json:"boot_id"`
	Kernel   string `json:"kernel"` // uname -r
	MonoNS   int64  `json:"mono_ns"`
	RealNS   int64  `json:"real_ns"`
	BootNS   int64  `json:"boot_ns"` // CLOCK_BOOTTIME
}
