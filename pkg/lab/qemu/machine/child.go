package machine

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// child is a process that dies when this one does, SIGKILL included.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done: how it ended
}

// startChild starts cmd so that the kernel kills it as soon as this process is
// gone. The kernel ties PR_SET_PDEATHSIG to the thread that forked
// (prctl(2)), not to its process, and Go ends threads as it likes: so the
// child's starter keeps its thread until the child has ended.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

// kill ends the child at once and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}
