// Command nfsim-agent is the small static helper that nfsim puts on nodes and
// into pods: file operations with clocks and errno, nothing else.
//
//	nfsim-agent stdio                      one session on standard input and output
//	nfsim-agent listen SOCKET [--autostart FILE] [--term-delay 30s | --ignore-term]
//	                                       sessions on a unix socket (mode 0600); fit to be PID 1
//	nfsim-agent connect SOCKET             standard input and output to that socket
//	nfsim-agent probe PATH [--timeout 5s]  status 0 if the file or directory can be read
//	nfsim-agent pause                      wait for SIGTERM as PID 1
//	nfsim-agent version
//
// The lines that sessions speak are those of package proto:
//
//	$ echo '{"id":1,"op":"stat","path":"/etc/hostname"}' | nfsim-agent stdio
//
// Status 0 is success, 1 a failure, 64 wrong usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
)

// Exit statuses.
const (
	statusOK     = 0
	statusFailed = 1
	statusUsage  = 64
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// A call that blocks keeps its processor until the runtime notices, which
	// takes up to 10 ms: with more processors than busy streams nobody waits
	// for that on a machine with one CPU.
	runtime.GOMAXPROCS(max(8, runtime.NumCPU()))

	err := dispatch(args, stdin, stdout, stderr)
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return statusOK
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "nfsim-agent:", err)
		return statusUsage
	}
	fmt.Fprintln(stderr, "nfsim-agent:", err)
	return statusFailed
}

func dispatch(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usagef("want a mode: stdio, listen, connect, probe, pause or version")
	}
	mode, args := args[0], args[1:]
	switch mode {
	case "stdio":
		return stdio(args, stdin, stdout)
	case "listen":
		return listen(args, stderr)
	case "connect":
		return connect(args, stdin, stdout)
	case "probe":
		return probe(args)
	case "pause":
		return pause(args, stdout)
	case "version":
		return version(args, stdout)
	}
	return usagef("unknown mode %q: want stdio, listen, connect, probe, pause or version", mode)
}
