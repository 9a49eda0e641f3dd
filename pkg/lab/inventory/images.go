package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// importTimeout bounds bringing the image to one worker or taking it away.
const importTimeout = 3 * time.Minute

// archivePath is where the image lies on a worker while it is imported.
const archivePath = "/run/nfsim-workload.tar"

// images are the workload images that were brought to workers.
type images struct {
	lab  lab.Lab
	note string // file of the state directory that lists the workers we brought it to
	logf func(format string, args ...any)

	mu   sync.Mutex
	done bool
}

// ensure imports the image on the workers that lack it, once. A worker of the
// note is given it anew: what an nfsim that was killed left may be another
// version's.
func (s *images) ensure(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	noted, err := s.read()
	if err != nil {
		return err
	}
	for _, m := range lab.Workers(s.lab) {
		if !slices.Contains(noted, m.Name) {
			there, err := ask(ctx, s.lab, m, ctr(m, "images", "list", "--quiet", "name=="+kube.WorkloadImage))
			if err != nil {
				return &lab.UsageError{What: "machine " + m.Name + " does not list its container images", Err: err, Advice: "scenarios with pods need containerd and its command ctr"}
			}
			if there != "" {
				continue
			}
			noted = append(noted, m.Name)
			if err := s.write(noted); err != nil {
				return err
			}
		}
		if err := s.bring(ctx, m); err != nil {
			return fmt.Errorf("bring the workload image to %s: %w", m.Name, err)
		}
	}
	s.done = true
	return nil
}

// bring imports the image, made for the machine's architecture.
func (s *images) bring(ctx context.Context, m lab.Machine) error {
	ctx, cancel := context.WithTimeoutCause(ctx, importTimeout, fmt.Errorf("not done within %s", importTimeout))
	defer cancel()
	node, err := s.lab.Node(ctx, m.Name)
	if err != nil {
		return err
	}
	arch, err := agent.Arch(ctx, node)
	if err != nil {
		return err
	}
	helper, err := agent.Binary(arch)
	if err != nil {
		return err
	}
	archive, err := cluster.WorkloadArchive(arch, helper)
	if err != nil {
		return err
	}
	if err := node.PutBytes(ctx, archive, archivePath, 0o600); err != nil {
		return err
	}
	_, err = node.Output(ctx, ctr(m, "images", "import", archivePath))
	_, rmErr := node.Output(ctx, "rm -f "+archivePath)
	return errors.Join(err, rmErr)
}

// takeAway removes the image where it was brought to. What cannot be removed
// stays in the note, for the next time.
func (s *images) takeAway(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = false
	noted, err := s.read()
	if err != nil || len(noted) == 0 {
		return
	}
	var left []string
	for _, m := range lab.Workers(s.lab) {
		if !slices.Contains(noted, m.Name) {
			continue
		}
		if err := s.remove(ctx, m); err != nil {
			left = append(left, m.Name)
			s.logf("the workload image stays on %s: %v", m.Name, err)
		}
	}
	if err := s.write(left); err != nil {
		s.logf("%v", err)
	}
}

// remove removes the image by all its names: the CRI plug-in of containerd adds
// one that is the digest.
func (s *images) remove(ctx context.Context, m lab.Machine) error {
	ctx, cancel := context.WithTimeoutCause(ctx, importTimeout, fmt.Errorf("not done within %s", importTimeout))
	defer cancel()
	digest, err := ask(ctx, s.lab, m, fmt.Sprintf("list=$(%s) && echo \"$list\" | awk 'NR > 1 { print $3 }'", ctr(m, "images", "list", "name=="+kube.WorkloadImage)))
	if err != nil || digest == "" {
		return err
	}
	_, err = ask(ctx, s.lab, m, fmt.Sprintf("names=$(%s) && %s $names", ctr(m, "images", "list", "--quiet", "target.digest=="+digest), ctr(m, "images", "remove", "--sync")))
	return err
}

func ctr(m lab.Machine, args ...string) string {
	return sshnode.Quote(append(slices.Clone(m.Runtime().Ctr), args...)...)
}

func (s *images) read() ([]string, error) {
	b, err := os.ReadFile(s.note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("read which workers were brought the workload image: %w", err)
	}
	return names, nil
}

func (s *images) write(names []string) error {
	if len(names) == 0 {
		if err := os.Remove(s.note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the note of workers that were brought the workload image: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(names)
	if err == nil {
		err = os.WriteFile(s.note, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note which workers were brought the workload image: %w", err)
	}
	return nil
}
