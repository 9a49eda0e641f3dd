// Package executor is the part of nfsim-agent that does what requests ask for:
// system calls with a clock on both sides, each in a thread of its own, so that
// one that hangs holds up nobody else.
//
//	a := executor.New(executor.Options{Exit: os.Exit})
//	err := a.Serve(ctx, os.Stdin, os.Stdout)
//
// Open files, mappings and streams belong to the agent and outlive the session
// that made them. Nothing here touches a file but the calls that were asked
// for: no working directory, log or lock file that could be on NFS.
package executor

import (
	"runtime/debug"
	"sync"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// Options are what an agent needs from the process around it.
type Options struct {
	// Exit ends the process; an exit request calls it. nil: such requests are
	// refused.
	Exit func(status int)
}

// Agent holds what outlives a session.
type Agent struct {
	opts Options
	fds  *table[*openFile]
	maps *table[*mapping]

	mu      sync.Mutex
	streams map[string]*stream
	lastID  int
}

// New returns an agent that does nothing yet.
func New(opts Options) *Agent {
	return &Agent{
		opts:    opts,
		fds:     newTable[*openFile]("fd"),
		maps:    newTable[*mapping]("map"),
		streams: map[string]*stream{},
	}
}

// StopAll tells every stream to end and does not wait: one may hang.
func (a *Agent) StopAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.streams {
		s.halt()
	}
}

// Build names the agent's source revision, when the toolchain recorded one,
// and the protocol's version.
func Build() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}

// refuse is the answer to a request that makes no sense.
func refuse(err error) proto.Response { return proto.Response{Error: err.Error()} }
