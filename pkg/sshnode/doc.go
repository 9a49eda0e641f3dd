// Package sshnode is one machine reached over SSH: one persistent connection,
// many sessions in parallel, files over SFTP, forwarded ports, systemd units.
//
//	hostKeys, err := sshnode.KnownHosts("known_hosts")
//	n, err := sshnode.Dial(ctx, sshnode.Config{
//		Name: "worker1", Addr: "127.0.0.1:2222", User: "root",
//		KeyFiles: []string{"id_ed25519"}, HostKeys: hostKeys,
//	})
//	defer n.Close()
//	res, err := n.Run(ctx, "findmnt -J "+sshnode.Quote(dir))
//	_, err = n.Unit("kubelet.service").Stop(ctx)
//
// Errors fall into classes that errors.As tells apart:
//
//   - *ExitError: the command ran and ended with a status other than 0.
//   - *TransportError: the connection or the session broke; whether the command
//     ran is unknown.
//   - *HostKeyError, *AuthError, *UsageError: from Dial, and final: trying again
//     does not help.
//   - *UnitError: a systemd unit did not reach the state that was asked for.
//
// Only Dial tries again, and only after transport failures. A command is never
// run a second time: it may have had an effect.
//
// The package sshtest below this one is a server to test against.
package sshnode
