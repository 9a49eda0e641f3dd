package vagrant

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

const (
	// askTimeout bounds a vagrant command that only asks: it takes 3 to 10 s,
	// most of it to load itself.
	askTimeout = 3 * time.Minute
	// bootTimeout bounds one that boots a machine.
	bootTimeout = 10 * time.Minute
	// maxSaid bounds what is kept of a command's output, in bytes.
	maxSaid = 1 << 20
)

// command runs a program in dir and returns its standard output. Its last words
// are in the error.
func command(ctx context.Context, limit time.Duration, dir, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &lab.UsageError{What: fmt.Sprintf("there is no command %s on this host", name), Advice: "on Debian: apt-get install vagrant vagrant-libvirt libvirt-daemon-system"}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s", limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	out, said := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", &lab.InfraError{What: fmt.Sprintf("%s %s failed: %s", name, strings.Join(args, " "), lastLines(out.String()+"\n"+said.String(), 10)), Err: err}
	}
	if out.cut {
		return "", &lab.InfraError{What: fmt.Sprintf("%s %s says more than %d bytes", name, strings.Join(args, " "), maxSaid)}
	}
	return out.String(), nil
}

// bounded keeps the first maxSaid bytes.
type bounded struct {
	kept bytes.Buffer // not embedded: its ReadFrom knows no bound
	cut  bool
}

func (b *bounded) String() string { return b.kept.String() }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxSaid - b.kept.Len(); len(p) > room {
		b.cut = true
		b.kept.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return b.kept.Write(p)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}
