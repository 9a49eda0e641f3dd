package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/cenkalti/backoff/v4"

	"github.com/nfsim/nfsim/pkg/agent/mono"
)

// EventKind is what a watch says about an object.
type EventKind string

// The kinds of events. A watch begins with Listed for each object that is
// there, then Synced; the same again after every Gap.
const (
	Listed   EventKind = "listed"   // there when the list was made
	Synced   EventKind = "synced"   // the list is complete; no object
	Added    EventKind = "added"    // made
	Modified EventKind = "modified" // changed
	Deleted  EventKind = "deleted"  // gone, seen to go
	Vanished EventKind = "vanished" // gone, somewhen in the last gap; object as last seen
	Gap      EventKind = "gap"      // the watch broke off: changes from here to the next Synced may be missed; no object
)

// Event is one thing that a watch saw.
type Event[T any] struct {
	At     int64 // controller's CLOCK_MONOTONIC in ns when it arrived
	Kind   EventKind
	Object T
	Err    error // why the watch broke off, with Gap
}

// Gone says whether the event reports that its object is no more.
func (e Event[T]) Gone() bool { return e.Kind == Deleted || e.Kind == Vanished }

// Present says whether the event shows its object as it now is.
func (e Event[T]) Present() bool { return e.Kind == Listed || e.Kind == Added || e.Kind == Modified }

// PodEvent is what WatchPods delivers.
type PodEvent = Event[*corev1.Pod]

// NodeEvent is what WatchNodes delivers.
type NodeEvent = Event[*corev1.Node]

// watchBuffer is how many events wait for a slow reader before the watch
// itself waits, and with it the clock of what comes after.
const watchBuffer = 1024

// watchSilence is for how long a watch may say nothing before it is made anew:
// a connection that died in silence is noticed no later.
const watchSilence = 2 * time.Minute

// WatchPods delivers all pods of a namespace (all namespaces when empty) and
// every change of them until ctx ends; then the channel is closed. It goes on
// after broken connections and restarts of the API server.
func (c *Client) WatchPods(ctx context.Context, namespace string) <-chan PodEvent {
	return c.watchPods(ctx, namespace, metav1.ListOptions{})
}

// WatchNodes delivers all nodes and every change of them, as WatchPods does.
func (c *Client) WatchNodes(ctx context.Context) <-chan NodeEvent {
	return follow(ctx, "watch nodes", metav1.ListOptions{}, source[*corev1.Node]{
		list: func(ctx context.Context, o metav1.ListOptions) ([]*corev1.Node, string, error) {
			list, err := c.api.CoreV1().Nodes().List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return pointers(list.Items), list.ResourceVersion, nil
		},
		watch: c.api.CoreV1().Nodes().Watch,
	})
}

func (c *Client) watchPods(ctx context.Context, namespace string, o metav1.ListOptions) <-chan PodEvent {
	return follow(ctx, "watch pods", o, source[*corev1.Pod]{
		list: func(ctx context.Context, o metav1.ListOptions) ([]*corev1.Pod, string, error) {
			list, err := c.api.CoreV1().Pods(namespace).List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return pointers(list.Items), list.ResourceVersion, nil
		},
		watch: c.api.CoreV1().Pods(namespace).Watch,
	})
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

func named(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}

// source lists and watches one kind of object.
type source[T metav1.Object] struct {
	list  func(ctx context.Context, o metav1.ListOptions) (items []T, resourceVersion string, err error)
	watch func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}

// follower keeps one watch going and remembers what it has shown.
type follower[T metav1.Object] struct {
	op    string
	opts  metav1.ListOptions
	from  source[T]
	out   chan Event[T]
	known map[types.UID]T
}

func follow[T metav1.Object](ctx context.Context, op string, o metav1.ListOptions, from source[T]) <-chan Event[T] {
	f := &follower[T]{op: op, opts: o, from: from, out: make(chan Event[T], watchBuffer), known: map[types.UID]T{}}
	go func() {
		defer close(f.out)
		f.loop(ctx)
	}()
	return f.out
}

func (f *follower[T]) loop(ctx context.Context) {
	pause := pauses()
	for ctx.Err() == nil {
		version, err := f.relist(ctx)
		if err == nil {
			pause.Reset()
			err = f.changes(ctx, version)
		}
		f.send(ctx, Event[T]{Kind: Gap, Err: err})
		if !pauseFor(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// pauseFor waits between two attempts and says whether there should be another.
func pauseFor(ctx context.Context, d time.Duration) bool {
	return d != backoff.Stop && mono.Sleep(ctx, d) == nil
}

func (f *follower[T]) relist(ctx context.Context) (version string, err error) {
	var items []T
	err = try(ctx, f.op, func(ctx context.Context, _ int) error {
		items, version, err = f.from.list(ctx, f.opts)
		return err
	})
	if err != nil {
		return "", err
	}
	present := make(map[types.UID]T, len(items))
	for _, item := range items {
		present[item.GetUID()] = item
	}
	for uid, item := range f.known {
		if _, still := present[uid]; !still {
			f.send(ctx, Event[T]{Kind: Vanished, Object: item})
		}
	}
	for _, item := range items {
		f.send(ctx, Event[T]{Kind: Listed, Object: item})
	}
	f.known = present
	f.send(ctx, Event[T]{Kind: Synced})
	return version, nil
}

func (f *follower[T]) changes(ctx context.Context, version string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := f.opts
	o.ResourceVersion = version
	o.AllowWatchBookmarks = true
	w, err := f.from.watch(ctx, o)
	if err != nil {
		return fmt.Errorf("%s: %w", f.op, err)
	}
	defer w.Stop()
	silence := time.NewTimer(watchSilence)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			return fmt.Errorf("%s: nothing came for %v", f.op, watchSilence)
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("%s: %w", f.op, errWatchEnded)
			}
			silence.Reset(watchSilence)
			if err := f.change(ctx, e); err != nil {
				return err
			}
		}
	}
}

var errWatchEnded = errors.New("the API server ended the watch")

func (f *follower[T]) change(ctx context.Context, e watch.Event) error {
	if e.Type == watch.Error {
		return fmt.Errorf("%s: %w", f.op, apierrors.FromObject(e.Object))
	}
	object, ok := e.Object.(T)
	if !ok {
		return fmt.Errorf("%s: the API server sent a %T", f.op, e.Object)
	}
	switch e.Type {
	case watch.Added:
		f.known[object.GetUID()] = object
		f.send(ctx, Event[T]{Kind: Added, Object: object})
	case watch.Modified:
		f.known[object.GetUID()] = object
		f.send(ctx, Event[T]{Kind: Modified, Object: object})
	case watch.Deleted:
		delete(f.known, object.GetUID())
		f.send(ctx, Event[T]{Kind: Deleted, Object: object})
	}
	return nil
}

func (f *follower[T]) send(ctx context.Context, e Event[T]) {
	e.At = mono.Now()
	select {
	case f.out <- e:
	case <-ctx.Done():
	}
}
