package inventory

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

// powerTimeout bounds a power command: management controllers are slow.
const powerTimeout = 2 * time.Minute

// saidMax bounds how much of a power command's output an error carries, bytes.
const saidMax = 1000

// reset runs a machine's power command on this host, in the directory of the
// inventory, with the machine's name in NFSIM_MACHINE.
func (inv Inventory) reset(ctx context.Context, machine string) error {
	command := ""
	for _, m := range inv.Machines {
		if m.Name == machine {
			command = m.Power
		}
	}
	if command == "" {
		return &lab.UsageError{What: fmt.Sprintf("inventory %s has no power command for %q", inv.File, machine)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, powerTimeout, fmt.Errorf("no end within %s", powerTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = filepath.Dir(inv.File)
	cmd.Env = append(os.Environ(), "NFSIM_MACHINE="+machine)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	said := strings.TrimSpace(string(out))
	if len(said) > saidMax {
		said = "..." + said[len(said)-saidMax:]
	}
	return &lab.InfraError{Machine: machine, What: fmt.Sprintf("its power command %q failed, saying %q", command, said), Err: err}
}
