package sshnode

import "github.com/nfsim/nfsim/pkg/sshnode/internal/shell"

// Quote returns args as words for a POSIX shell: each comes out of the shell
// as it went in. It cannot carry the NUL byte, which no argument of a process
// can hold either.
//
//	n.Run(ctx, sshnode.Quote("stat", "-c", "%s", path))
func Quote(args ...string) string { return shell.Quote(args...) }
