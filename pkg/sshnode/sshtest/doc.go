// Package sshtest is an SSH and SFTP server inside the test's own process, on
// a free port of 127.0.0.1, that can be made to fail the ways a machine does.
//
//	srv := sshtest.New(t, sshtest.Options{Handler: func(cmd string, stdin io.Reader, stdout, stderr io.Writer) int {
//		fmt.Fprintln(stdout, "you said", cmd)
//		return 0
//	}})
//	node := srv.Dial(t)
//	res, err := node.Run(ctx, "uname -r")
//	srv.DropConnections()
//
// Without a Handler commands run in a real sh on this machine. SFTP sees
// Options.Root as its "/", by default a temporary directory, so a test may put
// files under /etc. Commands and SFTP server sent through sudo work as if sudo
// were there, with no change of user; Commands shows what was really asked for.
package sshtest
