package executor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// thread is one locked operating system thread and the call that it is in, for
// others to look at.
type thread struct {
	tid     atomic.Int64
	current atomic.Pointer[call]
}

// call is a system call that has begun and not returned.
type call struct {
	name string
	t0   int64
}

// lock ties the calling goroutine to its thread; the result unties it.
func (t *thread) lock() (unlock func()) {
	runtime.LockOSThread()
	t.tid.Store(int64(unix.Gettid()))
	return runtime.UnlockOSThread
}

// do makes one system call, and takes the clock just before and after it.
func (t *thread) do(name string, f func() error) proto.Step {
	t0 := mono.Now()
	t.current.Store(&call{name: name, t0: t0})
	err := uninterrupted(f)
	t1 := mono.Now()
	t.current.Store(nil)
	return proto.Step{Call: name, T0: t0, T1: t1, Errno: errnoName(err)}
}

// evidence is where a thread hangs.
type evidence struct {
	tid                 int
	state, wchan, stack string
}

// look reads the thread's state from /proc, which never blocks on what the
// thread waits for.
func (t *thread) look() evidence {
	tid := int(t.tid.Load())
	if tid == 0 {
		return evidence{}
	}
	dir := "/proc/self/task/" + strconv.Itoa(tid) + "/"
	return evidence{
		tid:   tid,
		state: threadState(procText(dir + "stat")),
		wchan: procText(dir + "wchan"),
		stack: procText(dir + "stack"),
	}
}

// procText is the file's text, or why there is none, in brackets.
func procText(path string) string {
	const most = 16 << 10
	b, err := os.ReadFile(path)
	if err != nil {
		var no unix.Errno
		if errors.As(err, &no) {
			return fmt.Sprintf("[%s]", errnoName(no))
		}
		return "[unreadable]"
	}
	return strings.TrimSpace(string(b[:min(len(b), most)]))
}

// threadState is the state letter in the text of a stat file (proc(5)): what
// follows the command's name, which is in parentheses and may hold some.
func threadState(stat string) string {
	i := bytes.LastIndexByte([]byte(stat), ')')
	if i < 0 || len(stat) < i+3 {
		return ""
	}
	return stat[i+2 : i+3]
}
