package lab

import (
	"context"
	"fmt"
	"sync"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// Connections are a lab's connections to its machines, at most one a machine.
// The zero value has none; it is safe for concurrent use.
type Connections struct {
	mu    sync.Mutex
	slots map[string]*slot
}

// slot is the one connection to a machine.
type slot struct {
	dialling sync.Mutex // held while dialling

	mu     sync.Mutex // guards what follows
	node   *sshnode.Node
	cancel context.CancelFunc // of the dialling; nil when there is none
}

// Node returns the connection to a machine, dialled with what config returns
// when there is none or the old one broke. It tries until ctx ends.
func (c *Connections) Node(ctx context.Context, machine string, config func() (sshnode.Config, error)) (*sshnode.Node, error) {
	s := c.slot(machine)
	if node := s.live(); node != nil {
		return node, nil
	}
	s.dialling.Lock()
	defer s.dialling.Unlock()
	if node := s.live(); node != nil { // another caller's
		return node, nil
	}
	cfg, err := config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	node, err := sshnode.Dial(ctx, cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = nil
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", machine, err)
	}
	s.node = node
	return node, nil
}

// Drop closes the connection to a machine and ends the making of one: after a
// reset, say.
func (c *Connections) Drop(machine string) { c.slot(machine).drop() }

// Close drops all connections. Node makes new ones.
func (c *Connections) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.slots {
		s.drop()
	}
}

func (c *Connections) slot(machine string) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = map[string]*slot{}
	}
	s := c.slots[machine]
	if s == nil {
		s = &slot{}
		c.slots[machine] = s
	}
	return s
}

// live is the connection, if there is one that lives.
func (s *slot) live() *sshnode.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node == nil {
		return nil
	}
	select {
	case <-s.node.Closed():
		return nil
	default:
		return s.node
	}
}

func (s *slot) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	if s.node != nil {
		_ = s.node.Close()
		s.node = nil
	}
}
