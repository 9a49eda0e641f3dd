package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nfsim/nfsim/pkg/fault"
	"github.com/nfsim/nfsim/pkg/lab"
)

// faultReset is the name that fault.Reset records.
const faultReset = "reset"

// endOfStreams bounds how long the streams of a machine that lost its power
// take to end here.
const endOfStreams = 30 * time.Second

// reset cuts a machine's power and gives it back, as a fault of every cell, and
// waits until another boot of it can be reached. Meanwhile runs during, which
// may be nil and must not use b.on. The machine's clock is measured right before,
// because it is never seen again; streams are those that die with the machine.
func (b *Batch) reset(ctx context.Context, m lab.Machine, streams []*follower, during func(ctx context.Context) error) error {
	return b.resetAs(ctx, faultReset, m, streams, during)
}

// resetAs is reset under the name of another fault.
func (b *Batch) resetAs(ctx context.Context, name string, m lab.Machine, streams []*follower, during func(ctx context.Context) error) error {
	power, ok := b.Lab.(lab.Power)
	if !ok {
		return fmt.Errorf("reset %s: lab %s has no control of its machines' power", m.Name, b.Lab.Name())
	}
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	if err := b.on(m).sample(ctx); err != nil {
		return err
	}
	spec, err := fault.Reset(ctx, node, m.Name, power.Reset)
	if err != nil {
		return err
	}
	spec.Name = name
	meanwhile := make(chan error, 1)
	go func() {
		if during == nil {
			meanwhile <- nil
			return
		}
		meanwhile <- during(ctx)
	}()
	heal, err := b.inject(ctx, spec)
	if err == nil {
		err = heal(ctx)
	}
	err = errors.Join(err, <-meanwhile)
	if err != nil {
		return err
	}
	for _, f := range streams {
		if err := f.awaitEnd(ctx); err != nil {
			return err
		}
	}
	return b.reconnect(ctx, m)
}

// awaitEnd waits until the stream reports no more, for whatever reason: that its
// machine died is a result.
func (f *follower) awaitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endOfStreams)
	defer cancel()
	return f.await(ctx, "the end of a stream whose machine was reset", func(f *follower) bool { return f.done })
}
