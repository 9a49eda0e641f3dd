package main

import (
	"fmt"
	"io"
	"net"
)

// connect bridges standard input and output to an agent's socket. It ends when
// the agent closes, or shortly after its input ends, with what was still due.
func connect(args []string, stdin io.Reader, stdout io.Writer) error {
	operands, err := parse(newFlags("connect"), args, "SOCKET")
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("unix", operands[0], dialTimeout) //nolint:noctx // has a deadline
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, stdin)
		if c, ok := conn.(*net.UnixConn); ok {
			_ = c.CloseWrite()
		}
	}()
	if _, err := io.Copy(stdout, conn); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}
