package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// stamped is set by the Makefile: -ldflags "-X main.stamped=$(git describe)".
var stamped string

// version says which nfsim this is: the stamped description, else what the
// Go tool recorded.
func version() string {
	v := stamped
	if v == "" {
		v = "devel"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
	}
	return fmt.Sprintf("%s (%s %s/%s)", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
