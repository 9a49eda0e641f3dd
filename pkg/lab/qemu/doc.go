// Package qemu is the built-in provider of labs: virtual machines of this host.
//
//	l, err := qemu.Start(ctx, qemu.Spec{Name: "default"}, qemu.Options{Tether: true, Logf: log.Printf})
//	l, err := qemu.Attach(ctx, "default")
//	release, err := l.Acquire(ctx, "nfsim run")
//	node, err := l.Node(ctx, "worker1")
//	err = l.Restore(ctx)
//
// A lab is owned by one process, its keeper (`nfsim lab keeper`, package keeper
// below this one): it holds the network and the QEMU processes, and they end
// with it. This package is everybody else's side: what to ask for (Spec), how
// to start a keeper, how to talk to one, and the state directory that is
// between them (Dir).
package qemu
