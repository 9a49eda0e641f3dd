package nfs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// UnmountPlan says how long each way of unmounting may take. Zero means the
// default, a negative value skips the step.
type UnmountPlan struct {
	Normal time.Duration // umount; default 30 s
	Force  time.Duration // umount -f: pending calls fail with EIO; default 15 s
	Lazy   time.Duration // umount -l: gone from the table, the rest when it is no longer busy; default 15 s
}

// How is the way that an unmount went.
type How string

// The ways, from harmless to desperate.
const (
	NotMounted How = "not-mounted"
	Normal     How = "umount"
	Forced     How = "umount -f"
	Lazy       How = "umount -l"
)

// UnmountAttempt is one step of an unmount.
type UnmountAttempt struct {
	How   How           `json:"how"`
	Took  time.Duration `json:"took_ns"`
	Error string        `json:"error,omitempty"`
}

// UnmountReport says what an unmount took.
type UnmountReport struct {
	Target   string           `json:"target"`
	How      How              `json:"how"` // the step that worked; empty: none did
	Attempts []UnmountAttempt `json:"attempts,omitempty"`
	// DirLeft is why the empty mount point could not be removed. What lies in it
	// was written while nothing was mounted.
	DirLeft string `json:"dir_left,omitempty"`
}

// StillMountedError says that a mount survived every step of its plan.
type StillMountedError struct {
	Node   string
	Report UnmountReport
}

func (e *StillMountedError) Error() string {
	steps := make([]string, 0, len(e.Report.Attempts))
	for _, a := range e.Report.Attempts {
		steps = append(steps, fmt.Sprintf("%s for %s (%s)", a.How, a.Took.Round(time.Millisecond), a.Error))
	}
	return fmt.Sprintf("unmount %s on %s: still mounted after %s", e.Report.Target, e.Node, strings.Join(steps, ", "))
}

// Unmount unmounts the target, by force and then lazily if it must, and
// removes the mount point with rmdir, nothing else. A target that is not
// mounted is no error. It looks only at the mount table, never at the target,
// and keeps umount(8) from doing so: a stat of a dead mount hangs. The error is
// a *StillMountedError or that the table cannot be read.
func (m Mounter) Unmount(ctx context.Context, node *sshnode.Node, target string, plan UnmountPlan) (UnmountReport, error) {
	rep := UnmountReport{Target: target}
	if err := checkBelow(m.root(), target); err != nil {
		return rep, fmt.Errorf("unmount on %s: %w", node.Name(), err)
	}
	mounts, err := Mounts(ctx, node)
	if err != nil {
		return rep, err
	}
	if _, ok := FindMount(mounts, target); !ok {
		rep.How = NotMounted
	}
	steps := []struct {
		how    How
		within time.Duration
		args   []string
	}{
		// -i leaves out umount.nfs(8), which would tell mountd of an NFSv3 server
		// and hang with it; -c does not resolve the path.
		{Normal, orDefault(plan.Normal, 30*time.Second), []string{"umount", "-i", "-c"}},
		{Forced, orDefault(plan.Force, 15*time.Second), []string{"umount", "-i", "-c", "-f"}},
		{Lazy, orDefault(plan.Lazy, 15*time.Second), []string{"umount", "-i", "-c", "-l"}},
	}
	for _, s := range steps {
		if rep.How != "" {
			break
		}
		if s.within < 0 {
			continue
		}
		a, gone, err := tryUnmount(ctx, node, target, s.how, s.within, s.args)
		rep.Attempts = append(rep.Attempts, a)
		if err != nil {
			return rep, err
		}
		if gone {
			rep.How = s.how
		}
	}
	if rep.How == "" {
		return rep, &StillMountedError{Node: node.Name(), Report: rep}
	}
	_, err = runWithin(ctx, node, 2*shortDeadline, "[ ! -e "+sshnode.Quote(target)+" ] || "+bounded(shortDeadline, "rmdir", target))
	var exit *sshnode.ExitError
	switch {
	case errors.As(err, &exit):
		rep.DirLeft = strings.TrimSpace(string(exit.Result.Stderr))
	case err != nil:
		return rep, fmt.Errorf("remove mount point %s: %w", target, err)
	}
	return rep, nil
}

// tryUnmount runs one umount(8) and says whether the mount is gone. The error is
// that this cannot be told.
func tryUnmount(ctx context.Context, node *sshnode.Node, target string, how How, within time.Duration, args []string) (a UnmountAttempt, gone bool, err error) {
	// The table in the same breath, whatever umount(8) says.
	cmd := bounded(within, append(args, target)...) + "; status=$?; cat " + mountTable + "; exit $status"
	start := time.Now()
	res, runErr := runWithin(ctx, node, within, cmd)
	a = UnmountAttempt{How: how, Took: time.Since(start)}
	if runErr != nil {
		a.Error = runErr.Error()
	}
	var mounts []Granted
	var exit *sshnode.ExitError
	if runErr == nil || errors.As(runErr, &exit) {
		mounts, err = parseTable(node, res.Stdout)
	} else {
		mounts, err = Mounts(ctx, node)
	}
	if err != nil {
		return a, false, err
	}
	_, there := FindMount(mounts, target)
	if there && runErr == nil {
		a.Error = "the command succeeded and the mount is still there"
	}
	return a, !there, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// RemoveRoot removes the directory that mounts are made below, if it is there
// and empty.
func (m Mounter) RemoveRoot(ctx context.Context, node *sshnode.Node) error {
	root := sshnode.Quote(m.root())
	script := "[ ! -d " + root + " ] || " + bounded(shortDeadline, "rmdir", "--ignore-fail-on-non-empty", m.root())
	if _, err := runWithin(ctx, node, shortDeadline, script); err != nil {
		return fmt.Errorf("remove %s: %w", m.root(), err)
	}
	return nil
}

// UnmountAll is Unmount for several targets of one node: all that can be
// unmounted without force in one round trip, the others one by one.
func (m Mounter) UnmountAll(ctx context.Context, node *sshnode.Node, targets []string, plan UnmountPlan) ([]UnmountReport, error) {
	reports := make([]UnmountReport, len(targets))
	var script strings.Builder
	within := orDefault(plan.Normal, 30*time.Second)
	for i, target := range targets {
		reports[i] = UnmountReport{Target: target, How: Normal}
		if err := checkBelow(m.root(), target); err != nil {
			return reports, fmt.Errorf("unmount on %s: %w", node.Name(), err)
		}
		fmt.Fprintf(&script, "%s 2>/dev/null\n%s 2>/dev/null\n", bounded(within, "umount", "-i", "-c", target), bounded(shortDeadline, "rmdir", target))
	}
	script.WriteString("cat " + mountTable + "\n")
	res, err := runWithin(ctx, node, time.Duration(len(targets))*(within+shortDeadline), script.String())
	if err != nil {
		return reports, fmt.Errorf("unmount: %w", err)
	}
	mounts, err := parseTable(node, res.Stdout)
	if err != nil {
		return reports, err
	}
	var errs []error
	for i, target := range targets {
		if _, still := FindMount(mounts, target); still {
			reports[i], err = m.Unmount(ctx, node, target, plan)
			errs = append(errs, err)
		}
	}
	return reports, errors.Join(errs...)
}
