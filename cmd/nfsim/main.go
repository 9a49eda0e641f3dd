// Command nfsim breaks Kubernetes nodes and NFS servers on purpose, while
// real workloads write through real kernel mounts, and says what happened to
// the data.
//
//	nfsim run                                     the quick matrix on the built-in lab
//	nfsim run --scenario 'kubelet-*' --profile default,noac
//	nfsim report latest --format markdown
//	nfsim heal                                    put back what a killed run left broken
//
// Standard output is the result, standard error the progress. Exit codes:
// 0 as expected, 1 something new, 2 inconclusive, 64 usage.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

func main() {
	// What client-go would write to standard error is in the errors that it returns.
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
