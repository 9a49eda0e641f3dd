package nfs

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Defaults of a Mounter.
const (
	MountRoot       = "/mnt/nfsim"
	DefaultDeadline = 60 * time.Second
)

// shortDeadline bounds commands that touch no NFS path.
const shortDeadline = 20 * time.Second

// grace is how long the controller waits beyond the node's own timeout(1). A
// process in D state cannot be killed, timeout(1) then waits with it, and the
// controller leaves both behind.
const grace = 5 * time.Second

// Mounter mounts and unmounts NFS on nodes. The zero value is ready.
type Mounter struct {
	// Root is the directory that every target lies below. Empty means MountRoot.
	Root string
	// Deadline bounds one mount. Zero means DefaultDeadline.
	Deadline time.Duration
}

// MountSpec is one mount to make.
type MountSpec struct {
	Server  string // address or name, as the client sees it
	Path    string // exported directory
	Target  string // mount point, made if it is not there
	Options string // as in mount -o
	// AllowShared accepts a superblock that another mount of the node uses too.
	// The two then share options and caches: they are one client.
	AllowShared bool
}

// AlreadyMountedError says that something is mounted on the target.
type AlreadyMountedError struct {
	Node  string
	Mount Granted
}

func (e *AlreadyMountedError) Error() string {
	return fmt.Sprintf("mount on %s: %s is already a mount of %s", e.Node, e.Mount.Mountpoint, e.Mount.Source)
}

// NotMountedError says that mount(8) succeeded and the target is no mount: the
// bg option does that.
type NotMountedError struct{ Node, Target string }

func (e *NotMountedError) Error() string {
	return fmt.Sprintf("mount on %s: the command succeeded but nothing is mounted on %s", e.Node, e.Target)
}

// SharedError says that the new mount shares its superblock with others. It
// has been unmounted again, unless Unmount says otherwise.
type SharedError struct {
	Node    string
	Mount   Granted
	Others  []Granted
	Unmount error
}

func (e *SharedError) Error() string {
	others := make([]string, 0, len(e.Others))
	for _, o := range e.Others {
		others = append(others, o.Mountpoint)
	}
	msg := fmt.Sprintf("mount on %s: %s shares superblock %s with %s", e.Node, e.Mount.Mountpoint, e.Mount.MajorMinor, strings.Join(others, ", "))
	if e.Unmount != nil {
		msg += fmt.Sprintf("; and it could not be unmounted: %v", e.Unmount)
	}
	return msg
}

// plainPath has nothing that a shell, fstab, exports or mountinfo would escape.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._=@+/-]*$`)

// checkBelow refuses a path that is not plain, not clean or not below root.
func checkBelow(root, p string) error {
	switch {
	case !plainPath.MatchString(p) || path.Clean(p) != p:
		return fmt.Errorf("path %q is not an absolute, clean path of letters, digits and ._=@+-", p)
	case !strings.HasPrefix(p, root+"/"):
		return fmt.Errorf("path %q is not below %s", p, root)
	}
	return nil
}

func (m Mounter) root() string {
	if m.Root == "" {
		return MountRoot
	}
	return m.Root
}

// Mount makes the target directory, mounts, and returns what the kernel
// granted. Use Compare on it. Errors: *AlreadyMountedError, *NotMountedError,
// *SharedError, *sshnode.ExitError with what mount(8) said (exit status 124 or
// 137: its deadline was over).
func (m Mounter) Mount(ctx context.Context, node *sshnode.Node, spec MountSpec) (Granted, error) {
	deadline := m.Deadline
	if deadline <= 0 {
		deadline = DefaultDeadline
	}
	if err := checkBelow(m.root(), spec.Target); err != nil {
		return Granted{}, fmt.Errorf("mount on %s: %w", node.Name(), err)
	}
	if _, err := splitOptions(spec.Options); err != nil {
		return Granted{}, fmt.Errorf("mount on %s: %w", node.Name(), err)
	}
	if spec.Server == "" || !path.IsAbs(spec.Path) {
		return Granted{}, fmt.Errorf("mount on %s: source %s:%s is not server:/path", node.Name(), spec.Server, spec.Path)
	}
	before, err := Mounts(ctx, node)
	if err != nil {
		return Granted{}, err
	}
	if there, ok := FindMount(before, spec.Target); ok {
		return Granted{}, &AlreadyMountedError{Node: node.Name(), Mount: there}
	}

	args := []string{"mount", "-t", "nfs"}
	if spec.Options != "" {
		args = append(args, "-o", spec.Options)
	}
	source := spec.Server + ":" + spec.Path
	if strings.Contains(spec.Server, ":") { // IPv6, nfs(5)
		source = "[" + spec.Server + "]:" + spec.Path
	}
	args = append(args, source, spec.Target)
	cmd := bounded(shortDeadline, "mkdir", "-p", spec.Target) + " && " + bounded(deadline, args...) + " && cat " + mountTable
	res, err := runWithin(ctx, node, shortDeadline+deadline, cmd)
	if err != nil {
		return Granted{}, fmt.Errorf("mount %s: %w", source, err)
	}
	after, err := parseTable(node, res)
	if err != nil {
		return Granted{}, err
	}
	got, ok := FindMount(after, spec.Target)
	if !ok {
		return Granted{}, &NotMountedError{Node: node.Name(), Target: spec.Target}
	}
	if others := SharedWith(after, got); len(others) > 0 && !spec.AllowShared {
		_, err := m.Unmount(ctx, node, spec.Target, UnmountPlan{})
		return got, &SharedError{Node: node.Name(), Mount: got, Others: others, Unmount: err}
	}
	return got, nil
}

// Mounts reads the mount table of a node's first process.
func Mounts(ctx context.Context, node *sshnode.Node) ([]Granted, error) {
	res, err := runWithin(ctx, node, shortDeadline, "cat "+mountTable)
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	return parseTable(node, res)
}

// mountTable is the host's, whatever namespace the SSH session is in.
const mountTable = "/proc/1/mountinfo"

func parseTable(node *sshnode.Node, res sshnode.Result) ([]Granted, error) {
	mounts, err := ParseMountinfo(bytes.NewReader(res.Stdout))
	if err != nil {
		return nil, fmt.Errorf("read the mount table of %s: %w", node.Name(), err)
	}
	if len(mounts) == 0 { // a machine has a root at least: this is no table
		return nil, fmt.Errorf("read the mount table of %s: it is empty", node.Name())
	}
	return mounts, nil
}

// bounded is a command under timeout(1): TERM when the time is over, KILL a
// little later.
func bounded(within time.Duration, args ...string) string {
	return fmt.Sprintf("timeout -k 2 %g %s", within.Seconds(), sshnode.Quote(args...))
}

// HungError says that a command on a node did not return, though it was to be
// killed there when its time was over: it is in D state perhaps, and left
// behind.
type HungError struct {
	Node, Cmd string
	After     time.Duration
	Err       error
}

func (e *HungError) Error() string {
	return fmt.Sprintf("run %s on %s: no return after %s, left behind: %v", e.Cmd, e.Node, e.After, e.Err)
}

func (e *HungError) Unwrap() error { return e.Err }

// runWithin runs a command with a deadline a little longer than the one that
// the command has on the node. The error is a *HungError when that is over.
func runWithin(ctx context.Context, node *sshnode.Node, within time.Duration, cmd string) (sshnode.Result, error) {
	inner, cancel := context.WithTimeout(ctx, within+grace)
	defer cancel()
	res, err := node.Run(inner, cmd)
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		err = &HungError{Node: node.Name(), Cmd: cmd, After: within + grace, Err: err}
	}
	if err == nil && res.Truncated {
		err = fmt.Errorf("run %s on %s: too much output, its beginning is lost", cmd, node.Name())
	}
	return res, err
}
