package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// InstallPath is where the agent is put on a node.
const InstallPath = "/usr/local/bin/nfsim-agent"

// Bounds of what Dial does when ctx has a later deadline or none.
const (
	uploadTimeout = 2 * time.Minute
	helloTimeout  = 30 * time.Second
)

// Options change how Dial starts an agent.
type Options struct {
	// Path is where the agent is, or is put, on the node. Empty: InstallPath.
	Path string
	// Installed says that the agent is there already, and is not to be looked
	// at or replaced.
	Installed bool
}

func (o Options) path() string {
	if o.Path == "" {
		return InstallPath
	}
	return o.Path
}

// Dial puts the embedded agent on the node, unless it is there already, and
// starts a session of its own: the agent ends with it.
func Dial(ctx context.Context, node *sshnode.Node, opts Options) (*Client, error) {
	if !opts.Installed {
		if err := install(ctx, node, opts.path()); err != nil {
			return nil, err
		}
	}
	return start(ctx, node, sshnode.Quote(opts.path(), "stdio"), node.Name())
}

// DialSocket starts a session with the agent that listens on a unix socket of
// the node: one in a pod, whose directory the node shares. The agent must have
// been put on the node (Ensure). Streams of that agent go on after the session.
func DialSocket(ctx context.Context, node *sshnode.Node, socket string) (*Client, error) {
	return start(ctx, node, sshnode.Quote(InstallPath, "connect", socket), node.Name()+":"+socket)
}

// Ensure puts the embedded agent on the node, unless the one there is the
// same.
func Ensure(ctx context.Context, node *sshnode.Node) error {
	return install(ctx, node, InstallPath)
}

// install compares by sha256 and uploads what differs. A running agent keeps
// its old file.
func install(ctx context.Context, node *sshnode.Node, path string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, uploadTimeout, fmt.Errorf("not done within %s", uploadTimeout))
	defer cancel()
	arch, there, err := inspect(ctx, node, path)
	if err != nil {
		return fmt.Errorf("look for agent on %s: %w", node.Name(), err)
	}
	binary, err := Binary(arch)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(binary)
	if there == hex.EncodeToString(sum[:]) {
		return nil
	}
	if err := node.PutBytes(ctx, binary, path, 0o755); err != nil {
		return fmt.Errorf("put agent on %s: %w", node.Name(), err)
	}
	return nil
}

// Arch is the node's GOARCH, one that there is an agent for.
func Arch(ctx context.Context, node *sshnode.Node) (string, error) {
	arch, _, err := inspect(ctx, node, "/dev/null")
	return arch, err
}

// inspect returns the node's GOARCH and the sha256 of what is at path; empty
// when nothing is.
func inspect(ctx context.Context, node *sshnode.Node, path string) (arch, sum string, err error) {
	out, err := node.Output(ctx, "uname -m; sha256sum "+sshnode.Quote(path)+" 2>/dev/null || true")
	if err != nil {
		return "", "", err
	}
	machine, rest, _ := strings.Cut(out, "\n")
	if arch, err = goArch(strings.TrimSpace(machine)); err != nil {
		return "", "", err
	}
	sum, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
	return arch, strings.TrimPrefix(sum, `\`), nil // sha256sum marks an escaped name
}

// goArch is the GOARCH of a machine that uname -m names.
func goArch(machine string) (string, error) {
	switch machine {
	case "x86_64":
		return "amd64", nil
	case "aarch64":
		return "arm64", nil
	}
	return "", fmt.Errorf("machine is %.64q: there are agents for x86_64 and aarch64", machine)
}

// start runs a command that speaks the protocol and greets the agent.
func start(ctx context.Context, node *sshnode.Node, cmd, name string) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, fmt.Errorf("no answer within %s", helloTimeout))
	defer cancel()
	p, err := node.Start(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("start agent of %s: %w", name, err)
	}
	c := New(p.Pipe(), name)
	err = c.greet(ctx)
	if err == nil {
		return c, nil
	}
	err = errors.Join(err, c.Close())
	if said := strings.TrimSpace(string(p.Stderr())); said != "" {
		err = fmt.Errorf("%w: it said: %.512s", err, said)
	}
	return nil, err
}

// greet finds out whether the agent speaks this version of the protocol.
func (c *Client) greet(ctx context.Context) error {
	resp, err := c.Do(ctx, proto.Request{Op: proto.OpInfo})
	if err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if resp.Info == nil {
		return fmt.Errorf("greet agent of %s: no information in its answer (%s)", c.name, resp.Errno)
	}
	if resp.Info.Version != proto.Version {
		return fmt.Errorf("greet agent of %s: it speaks version %d, want %d", c.name, resp.Info.Version, proto.Version)
	}
	return nil
}
