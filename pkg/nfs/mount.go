package nfs

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"strconv"
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

// check refuses a spec that no mount could come of, and returns its source.
func (m Mounter) check(spec MountSpec) (source string, err error) {
	if err := checkBelow(m.root(), spec.Target); err != nil {
		return "", err
	}
	if _, err := splitOptions(spec.Options); err != nil {
		return "", err
	}
	if spec.Server == "" || !path.IsAbs(spec.Path) {
		return "", fmt.Errorf("source %s:%s is not server:/path", spec.Server, spec.Path)
	}
	if strings.Contains(spec.Server, ":") { // IPv6, nfs(5)
		return "[" + spec.Server + "]:" + spec.Path, nil
	}
	return spec.Server + ":" + spec.Path, nil
}

// Mount makes the target directory, mounts, and returns what the kernel
// granted. Use Compare on it. Errors: *AlreadyMountedError, *NotMountedError,
// *SharedError, *sshnode.ExitError with what mount(8) said (exit status 124 or
// 137: its deadline was over).
func (m Mounter) Mount(ctx context.Context, node *sshnode.Node, spec MountSpec) (Granted, error) {
	made, err := m.MountAll(ctx, node, []MountSpec{spec})
	if err != nil {
		return Granted{}, err
	}
	return made[0].Granted, made[0].Err
}

// Made is what became of one mount of several.
type Made struct {
	Granted Granted
	Err     error // as those of Mount
}

// MountAll is Mount for several mounts of one node, one after the other in one
// round trip. The error is the node's; what is wrong with one mount alone is
// in its Made, in the order of specs.
func (m Mounter) MountAll(ctx context.Context, node *sshnode.Node, specs []MountSpec) ([]Made, error) {
	deadline := m.Deadline
	if deadline <= 0 {
		deadline = DefaultDeadline
	}
	made := make([]Made, len(specs))
	commands := make([]string, len(specs))
	// A target that is in the table is never touched: it may be dead. On an
	// emulated machine each process counts, so that there are three for a mount:
	// timeout, mount, mount.nfs.
	var targets, mounts strings.Builder
	for i, spec := range specs {
		source, err := m.check(spec)
		if err != nil {
			made[i].Err = fmt.Errorf("mount on %s: %w", node.Name(), err)
			continue
		}
		args := []string{"mount", "-t", "nfs"}
		if spec.Options != "" {
			args = append(args, "-o", spec.Options)
		}
		commands[i] = bounded(deadline, append(args, source, spec.Target)...)
		mounted := fmt.Sprintf("case $table in *%s*)", sshnode.Quote(" "+spec.Target+" "))
		fmt.Fprintf(&targets, "%s ;; *) set -- \"$@\" %s;; esac\n", mounted, sshnode.Quote(spec.Target))
		fmt.Fprintf(&mounts, "%s echo %s %d mounted;; *) out=$(%s 2>&1); say %d $?;; esac\n", mounted, mountMark, i, commands[i], i)
	}
	script := "table=$(cat " + mountTable + ")\nset --\n" + targets.String() +
		"[ $# = 0 ] || " + bounded(shortDeadline, "mkdir", "-p") + " \"$@\"\n" +
		"say() { echo " + mountMark + " \"$1\" \"$2\" \"$([ -z \"$out\" ] || printf %s \"$out\" | tr '\\n' ' ')\"; }\n" +
		mounts.String() + "cat " + mountTable + "\n"
	res, err := runWithin(ctx, node, time.Duration(max(len(specs), 1))*(shortDeadline+deadline), script)
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	status, table := splitMarks(res.Stdout)
	after, err := parseTable(node, table)
	if err != nil {
		return nil, err
	}
	for i, spec := range specs {
		if made[i].Err == nil {
			made[i] = m.judgeMount(ctx, node, spec, commands[i], status[i], after)
		}
	}
	return made, nil
}

// judgeMount says what one mount came to, from what mount(8) said of it and
// the table afterwards.
func (m Mounter) judgeMount(ctx context.Context, node *sshnode.Node, spec MountSpec, command, status string, after []Granted) Made {
	got, ok := FindMount(after, spec.Target)
	code, said, _ := strings.Cut(status, " ")
	switch exit, err := strconv.Atoi(code); {
	case code == "mounted":
		return Made{Err: &AlreadyMountedError{Node: node.Name(), Mount: got}}
	case err != nil:
		return Made{Err: fmt.Errorf("mount on %s: no word about %s", node.Name(), spec.Target)}
	case exit != 0:
		failed := &sshnode.ExitError{Node: node.Name(), Cmd: command, Result: sshnode.Result{ExitStatus: exit, Stderr: []byte(said)}}
		return Made{Err: fmt.Errorf("mount %s:%s: %w", spec.Server, spec.Path, failed)}
	case !ok:
		return Made{Err: &NotMountedError{Node: node.Name(), Target: spec.Target}}
	}
	if others := SharedWith(after, got); len(others) > 0 && !spec.AllowShared {
		_, err := m.Unmount(ctx, node, spec.Target, UnmountPlan{})
		return Made{Granted: got, Err: &SharedError{Node: node.Name(), Mount: got, Others: others, Unmount: err}}
	}
	return Made{Granted: got}
}

// mountMark begins a line of MountAll's script that is no line of the table.
const mountMark = "nfsim-mount"

// splitMarks takes the marked lines out of an output: by number, what follows
// it. The rest is returned as it was.
func splitMarks(out []byte) (status map[int]string, rest []byte) {
	status = map[int]string{}
	for line := range bytes.Lines(out) {
		marked, ok := bytes.CutPrefix(line, []byte(mountMark+" "))
		if !ok {
			rest = append(rest, line...)
			continue
		}
		number, said, _ := strings.Cut(strings.TrimSpace(string(marked)), " ")
		if i, err := strconv.Atoi(number); err == nil {
			status[i] = said
		}
	}
	return status, rest
}

// Mounts reads the mount table of a node's first process.
func Mounts(ctx context.Context, node *sshnode.Node) ([]Granted, error) {
	res, err := runWithin(ctx, node, shortDeadline, "cat "+mountTable)
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	return parseTable(node, res.Stdout)
}

// mountTable is the host's, whatever namespace the SSH session is in.
const mountTable = "/proc/1/mountinfo"

func parseTable(node *sshnode.Node, table []byte) ([]Granted, error) {
	mounts, err := ParseMountinfo(bytes.NewReader(table))
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
