package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/kube"
	"github.com/nfsim/nfsim/pkg/shareserver"
	"github.com/nfsim/nfsim/pkg/sshnode"
)

// What is told of a share server, as observations; the subject is the mode.
const (
	// eventServerBefore and eventServerAfter say which process serves the share: its
	// pod, container, pid and start time. Another one is another server, whatever
	// its name.
	eventServerBefore = "server-before"
	eventServerAfter  = "server-after"
	// eventPlaneGreen is that the control plane says that all is well again: the
	// resource is there and Ready. The detail is its address, the value is the port
	// that the clients have mounted.
	eventPlaneGreen = "control-plane-green"
	// eventWatched is the end of a wait for something that did not come, or did: the
	// detail says what.
	eventWatched = "watched"
)

// secondClient ends the name of the fact that has the connections of the second
// client (see connectsFact).
const secondClient = "-second"

// serverProcess is which process serves a share.
type serverProcess struct {
	pod, container string
	process        fault.Process
	port           int64
}

func (p serverProcess) String() string {
	return fmt.Sprintf("pod %s container %s pid %d started at tick %s", p.pod, p.container, p.process.PID, p.process.Start)
}

// server reads which process serves a cell's share now, from the API and from the
// tables of its node.
func (s *shares) server(ctx context.Context, c *Cell) (serverProcess, error) {
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	stop := waiting(ctx)
	pod, err := s.k.AwaitPod(ctx, s.b.namespace(), c.shareName(), kube.PodReady)
	stop()
	if err != nil {
		return serverProcess{}, err
	}
	p := serverProcess{pod: string(pod.UID), container: kube.ContainerID(pod), port: c.share.made.Status.Port}
	pid, err := containerPID(ctx, s.b.on(s.b.Target), s.b.Target.Runtime().State, p.container)
	if err != nil {
		return p, err
	}
	node, err := s.b.node(ctx, s.b.Target)
	if err != nil {
		return p, err
	}
	p.process, err = fault.ReadProcess(ctx, node, pid)
	return p, err
}

// servers reads which processes serve the shares of all live cells, and notes it.
func (s *shares) servers(ctx context.Context, event, mode string) (map[*Cell]serverProcess, error) {
	return gather(ctx, s.b, "which servers serve", func(ctx context.Context, c *Cell) (serverProcess, error) {
		p, err := s.server(ctx, c)
		if err == nil {
			c.now("node", event, mode, p.String())
		}
		return p, err
	})
}

func processes(of map[*Cell]serverProcess) []fault.Process {
	list := make([]fault.Process, 0, len(of))
	for _, p := range of {
		list = append(list, p.process)
	}
	return list
}

// listening proves that something listens at the ports that the clients have
// mounted.
func listening(of map[*Cell]serverProcess) string {
	var b strings.Builder
	b.WriteString("all=0\n")
	for _, p := range of {
		fmt.Fprintf(&b, "[ -n \"$(ss -Hltn 'sport = :%[1]d')\" ] && echo \"port %[1]d is listened at\" || all=1\n", p.port)
	}
	return b.String() + "exit $all\n"
}

// connections is how many connections each cell's two clients have made so far.
type connections struct{ pod, peer map[*Cell]uint64 }

func (s *shares) connections(ctx context.Context) (n connections, err error) {
	n.pod, err = s.b.connectsOf(ctx, s.b.Other, func(c *Cell) string {
		if c.share == nil || c.share.pod == nil {
			return ""
		}
		return c.share.pod.hostMount
	})
	if err != nil {
		return n, err
	}
	n.peer, err = s.b.connects(ctx, s.b.server())
	return n, err
}

// noteConnections records how many connections were made since before.
func (s *shares) noteConnections(ctx context.Context, mode string, before connections) error {
	after, err := s.connections(ctx)
	if err != nil {
		return err
	}
	s.b.noteConnects(mode, before.pod, after.pod)
	s.b.noteConnects(mode+secondClient, before.peer, after.peer)
	return nil
}

// loss is a fault that takes all shares' servers away, as one mode.
type loss struct {
	mode string
	// do takes them away.
	do func(ctx context.Context, servers map[*Cell]serverProcess) error
	// then is what is done and awaited before the servers are expected to listen at
	// their addresses again; nil: nothing but their return.
	then func(ctx context.Context, loads map[*Cell]*load) error
	// rivals has the second clients ask for the lock all the time.
	rivals bool
}

// lose takes the servers away under a load, for every cell at once, does what
// follows, and waits until clients at the old addresses go on.
func (s *shares) lose(ctx context.Context, l loss) error {
	b := s.b
	loads, err := s.startShareLoads(ctx, l.mode)
	if err != nil {
		return err
	}
	before, err := s.servers(ctx, eventServerBefore, l.mode)
	if err != nil {
		return err
	}
	connected, err := s.connections(ctx)
	if err != nil {
		return err
	}
	b.nowAll(injectBegins, l.mode)
	spec := fault.EndProcesses(l.mode, b.Target.Name, func(ctx context.Context) error { return l.do(ctx, before) }, processes(before)...)
	spec.ProveUndone, spec.ProveWithin, spec.HealWithin = listening(before), shareTimeout, shareTimeout
	heal, err := b.inject(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { _ = heal(context.WithoutCancel(ctx)) }() // its error is in the record of the fault
	quit, contested := make(chan struct{}), make(chan error, 1)
	go func() {
		if !l.rivals {
			contested <- nil
			return
		}
		contested <- b.eachLoad(ctx, "contest the lock", loads, func(ctx context.Context, ld *load) error { return ld.lock.wrest(ctx, quit) })
	}()
	err = s.outlastLoss(ctx, l, loads, heal)
	close(quit)
	if err := errors.Join(err, <-contested); err != nil {
		return err
	}
	if err := s.noteConnections(ctx, l.mode, connected); err != nil {
		return err
	}
	if _, err := s.servers(ctx, eventServerAfter, l.mode); err != nil {
		return err
	}
	s.keepServerLogs(ctx, l.mode)
	return s.endShareLoads(ctx, l.mode, loads)
}

// outlastLoss does what follows on a loss, waits for the servers' return, and then
// for the loads'.
func (s *shares) outlastLoss(ctx context.Context, l loss, loads map[*Cell]*load, heal func(context.Context) error) error {
	if l.then != nil {
		if err := l.then(ctx, loads); err != nil {
			return err
		}
	} else {
		s.b.nowAll(healBegins, l.mode)
	}
	s.b.Phase("await the servers' return")
	if err := heal(ctx); err != nil {
		return err
	}
	return s.b.eachLoad(ctx, "await that it goes on", loads, func(ctx context.Context, ld *load) error {
		return goOn(ctx, ld.appends, ld.reads)
	})
}

// green waits until the control plane says of every cell's share that it serves,
// and notes it.
func (s *shares) green(ctx context.Context, mode string) error {
	return s.b.each(ctx, "await that the control plane is green", func(ctx context.Context, c *Cell) error {
		ctx, cancel := context.WithTimeout(ctx, shareTimeout)
		defer cancel()
		defer waiting(ctx)()
		now, err := s.api.Await(ctx, c.shareName(), shareserver.Serves)
		if err != nil {
			return err
		}
		c.now("api", eventPlaneGreen, mode, fmt.Sprintf("%s:%d; the clients have mounted port %d", now.Status.Address, now.Status.Port, c.share.made.Status.Port))
		return nil
	})
}

// watchDead watches the loads for as long as within: it ends early for a load
// whose appends and reads have each gone on, or been given an error. Neither is a
// result, too.
func (s *shares) watchDead(ctx context.Context, mode string, loads map[*Cell]*load, within time.Duration) error {
	err := s.b.eachLoad(ctx, fmt.Sprintf("watch the clients for up to %s", within), loads, func(ctx context.Context, l *load) error {
		defer waiting(ctx)()
		wait, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		var goesOn []func(f *follower) bool
		streams := []*follower{l.appends, l.reads}
		for _, f := range streams {
			f.mu.Lock()
			done, failed := f.last, f.failed
			f.mu.Unlock()
			goesOn = append(goesOn, func(f *follower) bool { return f.last >= done+calmRounds || f.failed > failed })
		}
		for i, f := range streams {
			err := f.await(wait, "the load", goesOn[i])
			if err != nil && (ctx.Err() != nil || wait.Err() == nil) {
				return err
			}
		}
		return nil
	})
	s.b.nowAll(eventWatched, mode)
	return err
}

// keepServerLogs keeps what the servers' pods have written, for a person. A log
// that cannot be read is left out.
func (s *shares) keepServerLogs(ctx context.Context, mode string) {
	ctx, cancel := context.WithTimeout(ctx, machineLogTimeout)
	defer cancel()
	for _, c := range s.b.live() {
		text, err := s.api.Log(ctx, c.shareName(), false)
		if err != nil {
			continue
		}
		w, err := c.Trial.Log(fmt.Sprintf("ganesha-%s-%s.txt", s.b.Target.Name, mode))
		if err != nil {
			continue
		}
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	}
}

// targetNode is for fault.Kill.
func (b *Batch) targetNode(ctx context.Context) (*sshnode.Node, error) { return b.node(ctx, b.Target) }
