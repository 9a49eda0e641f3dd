package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/nfsim/nfsim/pkg/agent/executor"
	"github.com/nfsim/nfsim/pkg/agent/proto"
)

func version(args []string, stdout io.Writer) error {
	if _, err := parse(newFlags("version"), args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "nfsim-agent protocol %d linux/%s %s %s\n", proto.Version, runtime.GOARCH, runtime.Version(), executor.Build())
	return err
}
