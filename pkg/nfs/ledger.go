package nfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// NoProcessError says that a process whose mount namespace was to be read is
// gone.
type NoProcessError struct {
	Node string
	PID  int
}

func (e *NoProcessError) Error() string {
	return fmt.Sprintf("read the mounts of process %d on %s: no such process", e.PID, e.Node)
}

// HostNFSMounts returns the NFS mounts in the mount namespace of a node's
// first process, as sorted lines for a ledger.
func HostNFSMounts(ctx context.Context, node *sshnode.Node) ([]string, error) {
	mounts, err := Mounts(ctx, node)
	if err != nil {
		return nil, err
	}
	return LedgerLines(onlyNFS(mounts)), nil
}

// PIDMounts returns the mounts in the mount namespace of a process, of a
// container say. The error is a *NoProcessError when it is gone.
func PIDMounts(ctx context.Context, node *sshnode.Node, pid int) ([]Granted, error) {
	if pid <= 0 {
		return nil, &NoProcessError{Node: node.Name(), PID: pid}
	}
	res, err := runWithin(ctx, node, shortDeadline, fmt.Sprintf("[ -e /proc/%[1]d ] || exit 3; cat /proc/%[1]d/mountinfo || { [ -e /proc/%[1]d ] || exit 3; exit 1; }", pid))
	var exit *sshnode.ExitError
	if errors.As(err, &exit) && exit.Result.ExitStatus == 3 {
		return nil, &NoProcessError{Node: node.Name(), PID: pid}
	}
	if err != nil {
		return nil, fmt.Errorf("read the mounts of process %d: %w", pid, err)
	}
	if len(bytes.TrimSpace(res.Stdout)) == 0 { // a zombie has no mount namespace
		return nil, &NoProcessError{Node: node.Name(), PID: pid}
	}
	mounts, err := ParseMountinfo(bytes.NewReader(res.Stdout))
	if err != nil {
		return nil, fmt.Errorf("read the mounts of process %d on %s: %w", pid, node.Name(), err)
	}
	return mounts, nil
}

// PIDNFSMounts is PIDMounts for NFS alone, as sorted lines for a ledger.
func PIDNFSMounts(ctx context.Context, node *sshnode.Node, pid int) ([]string, error) {
	mounts, err := PIDMounts(ctx, node, pid)
	if err != nil {
		return nil, err
	}
	return LedgerLines(onlyNFS(mounts)), nil
}

// LedgerLines writes mounts as sorted lines that are the same before and after
// unless a mount came, went or changed: no ids, no order. Spaces in paths are
// escaped.
func LedgerLines(mounts []Granted) []string {
	lines := make([]string, 0, len(mounts))
	for _, m := range mounts {
		lines = append(lines, fmt.Sprintf("%s %s %s root=%s %s %s",
			escape(m.Mountpoint), escape(m.Source), m.FSType, escape(m.Root), m.VFS, m.Raw))
	}
	slices.Sort(lines)
	return lines
}

func onlyNFS(mounts []Granted) []Granted {
	return slices.DeleteFunc(slices.Clone(mounts), func(m Granted) bool { return !m.IsNFS() })
}

// escape does what unescape undoes.
func escape(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(s)
}
