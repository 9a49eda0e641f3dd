// Package imported brings a container image to machines that lack it, and takes
// it away again. There is no registry: the image is copied over SSH and imported
// into the machine's containerd.
//
//	i := &imported.Image{Lab: l, Name: kube.WorkloadImage, What: "workload", Note: file, Archive: archive, Logf: log.Printf}
//	err := i.Ensure(ctx, machine)
//	defer i.TakeAway(context.WithoutCancel(ctx))
package imported

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

const (
	// importTimeout bounds bringing the image to one machine, an emulated one that
	// unpacks it included, or taking it away.
	importTimeout = 3 * time.Minute
	// askTimeout bounds one question to a machine's containerd.
	askTimeout = time.Minute
)

// Image is a container image and the machines that it was brought to. Ensure and
// TakeAway may be called from many goroutines.
type Image struct {
	Lab  lab.Lab
	Name string // as in nfsim.local/workload:1
	What string // a word for messages and the archive's name on the machine, as in workload
	Note string // file of the lab's state directory that lists the machines it was brought to
	// Archive opens the image for an architecture, a GOARCH, as a docker-archive.
	Archive func(ctx context.Context, arch string) (io.ReadCloser, error)
	Logf    func(format string, args ...any)

	mu      sync.Mutex
	brought map[string]bool // by this process
}

// Ensure imports the image on a machine that lacks it. One of the note is given
// it anew the first time: what an nfsim that was killed left may be another
// version's. A machine without containerd is a *lab.UsageError.
func (i *Image) Ensure(ctx context.Context, m lab.Machine) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	noted, err := i.read()
	if err != nil {
		return err
	}
	if !slices.Contains(noted, m.Name) || i.brought[m.Name] {
		there, err := i.ask(ctx, m, ctr(m, "images", "list", "--quiet", "name=="+i.Name))
		if err != nil {
			return &lab.UsageError{What: "machine " + m.Name + " does not list its container images", Err: err, Advice: "scenarios with pods need containerd and its command ctr"}
		}
		if there != "" {
			return nil
		}
	}
	if !slices.Contains(noted, m.Name) {
		if err := i.write(append(noted, m.Name)); err != nil {
			return err
		}
	}
	if err := i.bring(ctx, m); err != nil {
		return fmt.Errorf("bring the %s image to %s: %w", i.What, m.Name, err)
	}
	if i.brought == nil {
		i.brought = map[string]bool{}
	}
	i.brought[m.Name] = true
	return nil
}

// bring imports the image, made for the machine's architecture.
func (i *Image) bring(ctx context.Context, m lab.Machine) error {
	ctx, cancel := context.WithTimeoutCause(ctx, importTimeout, fmt.Errorf("not done within %s", importTimeout))
	defer cancel()
	node, err := i.Lab.Node(ctx, m.Name)
	if err != nil {
		return err
	}
	arch, err := agent.Arch(ctx, node)
	if err != nil {
		return err
	}
	archive, err := i.Archive(ctx, arch)
	if err != nil {
		return err
	}
	at := "/run/nfsim-" + i.What + ".tar"
	err = node.Put(ctx, archive, at, 0o600)
	if err = errors.Join(err, archive.Close()); err != nil {
		return err
	}
	_, err = node.Output(ctx, ctr(m, "images", "import", at))
	_, rmErr := node.Output(ctx, "rm -f "+at)
	return errors.Join(err, rmErr)
}

// TakeAway removes the image where it was brought to. What cannot be removed
// stays in the note, for the next time.
func (i *Image) TakeAway(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.brought = nil
	noted, err := i.read()
	if err != nil || len(noted) == 0 {
		return
	}
	var left []string
	for _, m := range i.Lab.Machines() {
		if !slices.Contains(noted, m.Name) {
			continue
		}
		if err := i.remove(ctx, m); err != nil {
			left = append(left, m.Name)
			i.Logf("the %s image stays on %s: %v", i.What, m.Name, err)
		}
	}
	if err := i.write(left); err != nil {
		i.Logf("%v", err)
	}
}

// remove removes the image by all its names: the CRI plug-in of containerd adds
// one that is the digest.
func (i *Image) remove(ctx context.Context, m lab.Machine) error {
	ctx, cancel := context.WithTimeoutCause(ctx, importTimeout, fmt.Errorf("not done within %s", importTimeout))
	defer cancel()
	digest, err := i.ask(ctx, m, fmt.Sprintf("list=$(%s) && echo \"$list\" | awk 'NR > 1 { print $3 }'", ctr(m, "images", "list", "name=="+i.Name)))
	if err != nil || digest == "" {
		return err
	}
	_, err = i.ask(ctx, m, fmt.Sprintf("names=$(%s) && %s $names", ctr(m, "images", "list", "--quiet", "target.digest=="+digest), ctr(m, "images", "remove", "--sync")))
	return err
}

// ask runs a short command on a machine and returns what it printed, trimmed.
func (i *Image) ask(ctx context.Context, m lab.Machine, cmd string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %s", askTimeout))
	defer cancel()
	node, err := i.Lab.Node(ctx, m.Name)
	if err != nil {
		return "", err
	}
	out, err := node.Output(ctx, cmd)
	return strings.TrimSpace(out), err
}

func ctr(m lab.Machine, args ...string) string {
	return sshnode.Quote(append(slices.Clone(m.Runtime().Ctr), args...)...)
}

func (i *Image) read() ([]string, error) {
	b, err := os.ReadFile(i.Note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("read which machines were brought the %s image: %w", i.What, err)
	}
	return names, nil
}

func (i *Image) write(names []string) error {
	if len(names) == 0 {
		if err := os.Remove(i.Note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the note of machines that were brought the %s image: %w", i.What, err)
		}
		return nil
	}
	b, err := json.Marshal(names)
	if err == nil {
		err = os.WriteFile(i.Note, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note which machines were brought the %s image: %w", i.What, err)
	}
	return nil
}
