// Package keeper is the owner of one lab: the process behind `nfsim lab
// keeper`, which holds the lab's network and its QEMU processes, and with which
// they end.
//
//	err := keeper.Run(ctx, keeper.Options{Name: "default", Stdin: os.Stdin, Events: events})
//
// A keeper reads a qemu.Spec from its standard input, makes or finds what the
// machines need (image, Kubernetes, cluster files), makes or finds the ready
// snapshot, starts the machines from it, and then serves the control socket
// until it is told to stop, gets a signal, or its standard input ends.
package keeper
