package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/lab/lock"
)

// Attach finds a lab that is up. Its errors are a *NotUpError, which says
// whether the lab's keeper died, in which case what was left is removed; a
// *HalfUpError; and those of a keeper that does not answer.
func Attach(ctx context.Context, name string) (*Lab, error) {
	dir, err := DirOf(name)
	if err != nil {
		return nil, err
	}
	s, err := dir.ReadStatus()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notUp(dir, name)
	}
	if err != nil {
		return nil, err
	}
	switch s.Phase {
	case Stale:
		if err := dir.Clean(); err != nil {
			return nil, err
		}
		return nil, &NotUpError{Name: name, Stale: true}
	case Down, Failed:
		return nil, notUp(dir, name)
	case Ready:
	default:
		return nil, &HalfUpError{Name: name, Phase: s.Phase, Step: s.Step}
	}
	l, err := newLab(dir, s)
	if err != nil {
		return nil, err
	}
	live, err := l.Status(ctx)
	if err == nil && live.Phase != Ready {
		err = &HalfUpError{Name: name, Phase: live.Phase, Step: live.Step}
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// notUp tells a lab whose keeper has just begun from one that nobody keeps.
func notUp(dir Dir, name string) error {
	if _, held, err := lock.Holder(dir.Lock()); err == nil && held {
		return &HalfUpError{Name: name, Phase: Starting, Step: "its keeper has just begun"}
	}
	return &NotUpError{Name: name}
}

// DownByName takes a lab down whatever state it is in, and waits for its keeper to
// end. A lab that nobody keeps is a *NotUpError.
func DownByName(ctx context.Context, name string) error {
	dir, err := DirOf(name)
	if err != nil {
		return err
	}
	_, held, err := lock.Holder(dir.Lock())
	if err != nil {
		return err
	}
	if !held {
		stale := false
		if s, err := dir.ReadStatus(); err == nil && s.Phase == Stale {
			stale = true
			if err := dir.Clean(); err != nil {
				return err
			}
		}
		return &NotUpError{Name: name, Stale: stale}
	}
	c := newClient(dir)
	defer c.close()
	if err := c.post(ctx, "/down", nil); err != nil {
		return fmt.Errorf("take down lab %s: %w", name, err)
	}
	return awaitUnlocked(ctx, dir.Lock())
}

// List reads the status of all labs that have a state directory, by name.
func List() ([]Status, error) {
	root, err := lab.StateRoot()
	if err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var out []Status
	for _, d := range dirs {
		if !d.IsDir() || CheckName(d.Name()) != nil {
			continue
		}
		s, err := Dir(filepath.Join(root, d.Name())).ReadStatus()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			s = Status{Name: d.Name(), Phase: Failed, Step: err.Error()}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Clean removes what only a running lab needs and a keeper left: disks,
// sockets, keys, a private ready snapshot. Logs stay. It fails when the lab has
// a keeper.
func (d Dir) Clean() error {
	mine, err := lock.Take(d.Lock(), "cleaning up")
	if err != nil {
		return fmt.Errorf("clean up %s: %w", d, err)
	}
	defer func() { _ = mine.Release() }()
	if err := d.CleanLocked(); err != nil {
		return err
	}
	s, err := d.ReadStatus()
	if err != nil {
		return nil // there is no lab to call down
	}
	s.Phase, s.Step, s.KeeperPID = Down, "cleaned up after its keeper died", 0
	return d.WriteStatus(s)
}

// CleanLocked is Clean for the holder of the lab's lock.
func (d Dir) CleanLocked() error {
	paths := []string{d.Control(), d.Access(), d.Kubeconfig(), d.SSHConfig(), d.SSHKey(), d.KnownHosts(), d.Faults(), d.Dirty()}
	disks, err := filepath.Glob(d.Disk("*"))
	if err != nil {
		return fmt.Errorf("clean up %s: %w", d, err)
	}
	for _, p := range append(paths, disks...) {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clean up %s: %w", d, err)
		}
	}
	// A plain directory of this host's own file system, never a mount point.
	if err := os.RemoveAll(d.Ready()); err != nil {
		return fmt.Errorf("clean up %s: %w", d, err)
	}
	return nil
}

// Remove deletes the state directory of a lab that nobody keeps, logs included.
func Remove(name string) error {
	dir, err := DirOf(name)
	if err != nil {
		return err
	}
	mine, err := lock.Take(dir.Lock(), "removing the lab's state")
	var held *lock.HeldError
	if errors.As(err, &held) {
		return &lab.BusyError{Name: name, PID: held.PID, Who: held.Who}
	}
	if err != nil {
		return err
	}
	defer func() { _ = mine.Release() }()
	// A plain directory of this host's own file system, never a mount point.
	if err := os.RemoveAll(string(dir)); err != nil {
		return fmt.Errorf("remove state of lab %s: %w", name, err)
	}
	return nil
}
